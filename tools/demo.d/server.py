# SPDX-License-Identifier: MIT
"""A Redis of our own: private folder, Unix socket, one allocator."""

import json
import os
import subprocess
import tempfile
import time
from pathlib import Path

import memory
from resp import Client

TOP = Path(__file__).resolve().parent.parent.parent
SHIM = TOP / "build/libhugespan-malloc.so"
COMMAND = TOP / "build/hugespan"
# No TCP, no snapshot that nobody asked for, and DEBUG DIGEST is allowed.
OPTIONS = ["--port", "0", "--save", "", "--appendonly", "no",
           "--enable-debug-command", "yes", "--loglevel", "warning",
           "--daemonize", "no"]
START_SECONDS = 60
STOP_SECONDS = 120


class Server:
    """variant: "glibc" or "hugespan"; folder is where it keeps its files.

    Debian's redis-server is linked with jemalloc. Both variants preload what
    is to serve malloc in its place: the C library, or the shim.
    """

    def __init__(self, variant, backend, folder, timeout_s, dbfile="dump.rdb"):
        self.folder = Path(folder)
        self.socket = self.folder / "redis.sock"
        self.timeout_s = timeout_s
        self.log = open(self.folder / "server.log", "ab")
        self.stats = tempfile.TemporaryFile()
        self.client = None
        argv = ["redis-server", *OPTIONS, "--unixsocket", str(self.socket),
                "--dir", str(self.folder), "--dbfilename", dbfile]
        env = dict(os.environ)
        if variant == "glibc":
            env["LD_PRELOAD"] = memory.libc_path()
        else:
            argv = [str(COMMAND), "run", f"--backend={backend}",
                    f"--stats=json:{self.stats.fileno()}", "--", *argv]
        self.child = subprocess.Popen(
            argv, env=env, stdin=subprocess.DEVNULL, stdout=self.log,
            stderr=self.log, pass_fds=[self.stats.fileno()])
        self.pid = self.child.pid
        try:
            self._connect()
        except BaseException:
            self.kill()
            raise

    def _connect(self):
        """Waits until it answers, which it does when its file is loaded."""
        end = time.monotonic() + START_SECONDS + self.timeout_s
        while True:
            if self.child.poll() is not None:
                raise RuntimeError("redis-server ended at once: "
                                   + self.said())
            try:
                client = Client(self.socket, self.timeout_s)
                if client.info("persistence")["loading"] == "0":
                    self.client = client
                    return
                client.close()
            except (FileNotFoundError, ConnectionError):
                pass
            if time.monotonic() > end:
                raise TimeoutError("redis-server does not answer: "
                                   + self.said())
            time.sleep(0.05)

    def said(self):
        text = (self.folder / "server.log").read_text(errors="replace")
        return " | ".join(text.strip().splitlines()[-5:])

    def complaints(self):
        """Lines in its log that no server in order writes."""
        text = (self.folder / "server.log").read_text(errors="replace")
        return [line for line in text.splitlines()
                if line.startswith("hugespan") or "BUG REPORT" in line]

    def digest(self):
        return self.client.call("DEBUG", "DIGEST")

    def stop(self):
        """Ask it to end; its exit status."""
        try:
            self.client.call("SHUTDOWN", "NOSAVE")
        except ConnectionError:
            pass
        status = self.child.wait(STOP_SECONDS)
        self._close()
        return status

    def last_words(self):
        """The shim's statistics of the ended server, or None."""
        self.stats.seek(0)
        lines = self.stats.read().decode().splitlines()
        return json.loads(lines[-1]) if lines else None

    def kill(self):
        if self.child.poll() is None:
            self.child.kill()
            self.child.wait()
        self._close()

    def _close(self):
        if self.client:
            self.client.close()
            self.client = None
        self.log.close()

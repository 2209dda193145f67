# SPDX-License-Identifier: MIT
"""Real programs: CPU time and peak memory of each, all its children told."""

import os
import random
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import process
from allocators import WORKLOAD
from methods import Method, numbers
from process import Failed

HERE = Path(__file__).resolve().parent
SCRIPTS = HERE / "programs"
SOURCES = sorted((HERE / "workload").glob("*.c"))
GCC = 'for f; do gcc -O2 -D_GNU_SOURCE -S -o /dev/null "$f" || exit 1; done'
# What a process costs before it does anything.
MANY = 'i=0; while [ $i -lt $1 ]; do /bin/true; i=$((i + 1)); done'
PROGRAM_SECONDS = 120
START_SECONDS = 20


class Program(Method):
    """argv: its words, where {work} stands for a folder that is there for
    the case. prepare(work) puts into it what the program reads."""

    def __init__(self, *argv, env=(), prepare=None, stdin="/dev/null"):
        self.argv, self.env, self.prepare = argv, dict(env), prepare
        self.stdin = stdin

    def needs(self):
        return self.argv[0]

    def begin(self, allocators, cpu):
        super().begin(allocators, cpu)
        self.work = Path(tempfile.mkdtemp(prefix="hugespan-bench-"))
        if self.prepare:
            self.prepare(self.work)

    def end(self):
        shutil.rmtree(self.work, ignore_errors=True)

    def start(self, one):
        words = [str(word).replace("{work}", str(self.work))
                 for word in self.argv]
        return process.start(
            [WORKLOAD, "once", "program", one.path, self.stdin,
             self.work / "said", *words], {**one.settings(), **self.env},
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)

    def finish(self, child):
        """The figures of a program that ends well in time."""
        try:
            text, _ = child.communicate(timeout=PROGRAM_SECONDS)
        except subprocess.TimeoutExpired:
            raise Failed(f"took more than {PROGRAM_SECONDS} s") from None
        finally:
            process.stop(child)
        if child.returncode:
            raise Failed("could not be run")
        found = numbers(text)
        if found["status"] or found["signal"]:
            said = (self.work / "said").read_text(errors="replace")
            raise Failed(f"exit status {found['status']:g}, signal "
                         f"{found['signal']:g}: {said[-200:]}")
        return {"cpu": found["cpu_ms"], "peak": found["peak_kib"] / 1024}

    def sample(self, one):
        return self.finish(self.start(one))


class Redis(Program):
    """The server alone is on the allocator, and is asked by redis-benchmark
    over a socket of its own."""

    def __init__(self, requests):
        super().__init__("redis-server", "--port", 0, "--save", "",
                         "--daemonize", "no", "--dir", "{work}",
                         "--unixsocket", "{work}/socket",
                         "--pidfile", "{work}/pid")
        self.requests = requests

    def client(self, *words):
        process.output([words[0], "-s", self.work / "socket", *words[1:]],
                       os.environ, PROGRAM_SECONDS)

    def load(self):
        for test in (["-t", "set", "-r", 50000, "-d", 300],
                     ["-t", "lpush,lpop,hset", "-r", 20000, "-d", 60]):
            self.client("redis-benchmark", "-q", "-n", self.requests, "-P", 16,
                        "-c", 10, *test)

    def sample(self, one):
        socket = self.work / "socket"
        server = self.start(one)
        try:
            end = time.monotonic() + START_SECONDS
            while not socket.exists():
                if server.poll() is not None or time.monotonic() > end:
                    raise Failed("redis-server did not start")
                time.sleep(0.01)
            self.load()
            self.client("redis-cli", "shutdown", "nosave")
            return self.finish(server)
        finally:
            process.stop(server)
            socket.unlink(missing_ok=True)


def lines(count):
    def prepare(work):
        rng = random.Random(1)
        with open(work / "lines", "w", encoding="ascii") as file:
            for _ in range(count):
                file.write(f"{rng.getrandbits(64):x} {rng.random()}\n")
    return prepare


def cases(quick):
    scale = 1 if quick else 15
    server = ("python3", SCRIPTS / "server.py", 800 * scale)
    # -n: Debian's extensions are loaded so that they see the C library's
    # malloc and not the one preloaded, which some allocators do not survive.
    pages = ("php", "-n", SCRIPTS / "pages.php", 40 * scale)
    return {
        "python3 malloc": Program(*server, env={"PYTHONMALLOC": "malloc"}),
        "python3": Program(*server),
        "perl": Program("perl", SCRIPTS / "words.pl", 10000 * scale),
        "php malloc": Program(*pages, env={"USE_ZEND_ALLOC": "0"}),
        "php": Program(*pages),
        "redis-server": Redis(2000 if quick else 200_000),
        "gcc": Program("sh", "-c", GCC, "sh", *SOURCES[:1 if quick else 99]),
        "sqlite3": Program("sqlite3", ":memory:", stdin=SCRIPTS
                           / "queries.sql"),
        "sh, many true": Program("sh", "-c", MANY, "sh", 20 * scale),
        "sort": Program("sort", "--parallel=2", "-S", "64M", "-o", "/dev/null",
                        "{work}/lines", prepare=lines(20000 * scale)),
    }

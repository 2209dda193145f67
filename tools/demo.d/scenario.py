#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""What the demo does to Redis, once on the C library's malloc and once on
hugespan: on this machine, and by the same program in a guest.

It prints a JSON object a line, for tools/demo to show: {"event": "step" |
"progress" | "done" | "check" | "figures", ...}. Everything is in a private
folder, every wait is bounded, and servers are ended by their own pid.
"""

import argparse
import json
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parent))

import bench                    # noqa: E402
import memory                   # noqa: E402
from packages import KEY_FORM   # noqa: E402
from server import Server       # noqa: E402

EMPTY_DIGEST = "0" * 40
BENCH_DB = 1            # where redis-benchmark writes keys of its own
WRITES = ["--dbnum", BENCH_DB, "-r", 1000000, "-d", 200, "-t", "set"]
PROGRESS_SECONDS = 1.0
# What has less may be held up by a few objects in each of its few units.
LARGE_BYTES = 64 << 20
SNAPSHOT_US = 500000
POOL_SECONDS = 10.0     # for units that wait in quarantine


def tell(event, **values):
    print(json.dumps({"event": event, **values}), flush=True)


@contextmanager
def step(variant, text):
    """A step with its time; the body may set "note" in what it is given."""
    tell("step", variant=variant, text=text)
    begun, said = time.monotonic(), {}
    yield said
    tell("done", seconds=round(time.monotonic() - begun, 3), **said)


def check(name, passed, detail=""):
    tell("check", name=name, passed=bool(passed), detail=str(detail))


class Run:
    """One variant, from an empty server to an empty server."""

    def __init__(self, args, variant, folder):
        self.args, self.variant, self.folder = args, variant, folder
        self.figures = {}
        self.digests = {}
        self.server = None

    def step(self, text):
        return step(self.variant, text)

    def serve(self, **options):
        self.server = Server(self.variant, self.args.backend, self.folder,
                             self.args.timeout, **options)
        return self.server

    def pipe(self, name):
        """Feed a file of commands; redis-cli counts the errors."""
        return subprocess.Popen(
            ["redis-cli", "-s", str(self.server.socket), "--pipe"],
            stdin=open(Path(self.args.files) / name, "rb"),
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def piped(self, child, each=lambda: None):
        end = time.monotonic() + self.args.timeout
        while child.poll() is None:
            if time.monotonic() > end:
                child.kill()
                child.wait()
                raise TimeoutError("redis-cli --pipe took too long")
            each()
            time.sleep(0.05)
        text = child.stdout.read()
        if child.returncode or "errors: 0," not in text:
            raise RuntimeError(f"redis-cli --pipe: {text.strip()[-300:]}")

    # ---- the steps ----------------------------------------------------------

    def start(self):
        with self.step("start Redis") as said:
            server = self.serve()
            self.first_faults = memory.faults(server.pid)
            self.figures["start_rss_bytes"] = \
                memory.resident(server.pid)["rss_bytes"]
            if self.variant == "hugespan":
                check("the shim is in Redis",
                      memory.maps_file(server.pid, "libhugespan-malloc.so"))
            said["note"] = f"{self.first_faults} page faults"

    def load(self):
        server, told = self.server, [time.monotonic()]

        def progress():
            if time.monotonic() - told[0] > PROGRESS_SECONDS:
                told[0] = time.monotonic()
                tell("progress", done=server.client.call("DBSIZE"),
                     of=self.args.count)

        with self.step(f"load {self.args.count:,} stanzas") \
                as said:
            begun = time.monotonic()
            self.piped(self.pipe("load.resp"), progress)
            seconds = time.monotonic() - begun
            self.figures["load_s"] = seconds
            self.figures["load_faults"] = \
                memory.faults(server.pid) - self.first_faults
            info = server.client.info("memory")
            self.figures["used_bytes"] = int(info["used_memory"])
            self.figures.update(memory.resident(server.pid))
            self.digests["loaded"] = server.digest()
            said["note"] = f"{self.figures['used_bytes'] >> 20} MiB of data"
        if server.client.call("DBSIZE") != self.args.count:
            raise RuntimeError("not every stanza became a hash")

    def device(self):
        """The pool while Redis holds its memory."""
        server, pool = self.server, memory.pool()
        units = memory.granted_units(server.pid)
        unit = pool["unit_bytes"]
        self.figures["units"] = units
        self.figures["pool_loaded"] = pool
        check("Redis's memory is of /dev/hugespan",
              self.figures["device_bytes"] >= self.figures["used_bytes"]
              and units * unit >= self.figures["used_bytes"],
              f"{units} units of {unit >> 20} MiB")
        check("the pool has given out what Redis holds, and no more",
              pool["nr_granted"] == units and
              pool["nr_free"] + units == pool["nr_units"],
              f"{pool['nr_free']} of {pool['nr_units']} free")

    def benchmark(self):
        server = self.server
        tests = {
            "read": ["-r", self.args.count, "HGETALL",
                     KEY_FORM.format("__rand_int__")],
            "write": WRITES,
        }
        for name, test in tests.items():
            with self.step(f"redis-benchmark, {name} "
                           f"{self.args.requests:,}") as said:
                before = memory.faults(server.pid)
                got = bench.finish(bench.start(server.socket,
                                               self.args.requests, *test),
                                   self.args.timeout)
                got["faults"] = memory.faults(server.pid) - before
                self.figures[name] = got
                said["note"] = f"{got['rps']:,.0f} per s"
        self.forget_benchmark()

    def forget_benchmark(self):
        client = self.server.client
        client.call("SELECT", BENCH_DB)
        client.call("FLUSHDB", "SYNC")
        client.call("SELECT", 0)

    def snapshot(self):
        """A BGSAVE; its child sees the data as they were, while we write."""
        server, client = self.server, self.server.client
        with self.step("BGSAVE, and write") as said:
            before = memory.faults(server.pid)
            changes = int(client.info("persistence")
                          ["rdb_changes_since_last_save"])
            # Small data would be written before anything else is.
            client.call("CONFIG", "SET", "rdb-key-save-delay",
                        SNAPSHOT_US // self.args.count)
            client.call("BGSAVE")
            children = [self.pipe("change.resp"),
                        bench.start(server.socket, self.args.requests // 2,
                                    *WRITES)]
            try:
                writes, state = self.watch_snapshot(children)
                self.piped(children[0])
                got = bench.finish(children[1], self.args.timeout)
            finally:
                for child in children:
                    if child.poll() is None:
                        child.kill()
                        child.wait()
            got["faults"] = memory.faults(server.pid) - before
            got["fork_ms"] = \
                int(client.info("stats")["latest_fork_usec"]) / 1e3
            got["writes_meanwhile"] = writes - changes
            self.figures["snapshot"] = got
            said["note"] = f"fork {got['fork_ms']:.1f} ms, " \
                f"{got['writes_meanwhile']:,} writes meanwhile"
        check(f"{self.variant}: Redis went on writing while the snapshot was "
              "made", state == "ok" and got["writes_meanwhile"] > 0)
        self.forget_benchmark()
        self.digests["changed"] = server.digest()
        found = subprocess.run(["redis-check-rdb", self.folder / "dump.rdb"],
                               stdout=subprocess.PIPE, timeout=self.args.timeout,
                               text=True, check=False)
        check(f"{self.variant}: redis-check-rdb accepts the snapshot",
              found.returncode == 0 and "RDB looks OK" in found.stdout)

    def watch_snapshot(self, children):
        """(changes counted while it was made, how it ended), once it and the
        children have ended."""
        end, writes = time.monotonic() + self.args.timeout, 0
        while True:
            info = self.server.client.info("persistence")
            busy = info["rdb_bgsave_in_progress"] == "1"
            if busy:
                writes = int(info["rdb_changes_since_last_save"])
            elif all(child.poll() is not None for child in children):
                return writes, info["rdb_last_bgsave_status"]
            if time.monotonic() > end:
                raise TimeoutError("the snapshot took too long")
            time.sleep(0.02)

    def empty(self):
        """Everything deleted, then the server ended."""
        server = self.server
        with self.step("delete everything, end") as said:
            server.client.call("FLUSHALL", "SYNC")
            server.client.call("MEMORY", "PURGE")
            check(f"{self.variant}: empty after FLUSHALL",
                  server.digest() == EMPTY_DIGEST)
            after = memory.resident(server.pid)["rss_bytes"]
            self.figures["empty_rss_bytes"] = after
            if memory.pool():
                self.figures["empty_units"] = \
                    memory.granted_units(server.pid)
            self.end()
            said["note"] = f"{after >> 20} MiB left of " \
                f"{self.figures['rss_bytes'] >> 20}"

        if self.variant == "hugespan" and \
                self.figures["used_bytes"] >= LARGE_BYTES:
            check("memory went back when all was deleted",
                  after * 2 < self.figures["rss_bytes"],
                  f"{after >> 20} MiB of {self.figures['rss_bytes'] >> 20}")

    def end(self):
        """Stops the server; its shim's last words must fit the figures."""
        server, self.server = self.server, None
        status = server.stop()
        check(f"{self.variant}: Redis ended in order",
              status == 0 and not server.complaints(),
              " | ".join(server.complaints()) or f"exit status {status}")
        words = server.last_words()
        if self.variant == "hugespan" and "units" not in self.figures:
            check("Redis's heap was hugespan's",
                  words and words["mapped_peak_bytes"] >=
                  self.figures["used_bytes"] and
                  self.args.backend in ("auto", words["backend"]))
        if words:
            self.figures.setdefault("last_words", words)

    def reload(self):
        with self.step("start from the snapshot") as said:
            server = self.serve()
            said["note"] = f"{server.client.call('DBSIZE'):,} hashes"
            check(f"{self.variant}: the snapshot is the data at the moment of "
                  "the fork", server.digest() == self.digests["loaded"])
            server.stop()
            self.server = None

    def all(self):
        try:
            self.start()
            self.load()
            if self.variant == "hugespan" and memory.pool():
                self.device()
            self.benchmark()
            self.snapshot()
            self.empty()
            self.reload()
        except Exception:
            if self.server:
                print(f"{self.variant}:", self.server.said(), file=sys.stderr)
            raise
        finally:
            if self.server:
                self.server.kill()
        tell("figures", variant=self.variant, values=self.figures)


def parse(argv):
    parser = argparse.ArgumentParser(prog="scenario.py", description=__doc__)
    add = parser.add_argument
    add("--files", required=True, metavar="DIR",
        help="with load.resp and change.resp")
    add("--count", type=int, required=True, help="hashes in load.resp")
    add("--backend", default="auto", help="for the variant on hugespan")
    add("--requests", type=int, default=100000, help="of each benchmark")
    add("--timeout", type=float, default=120, metavar="SEC",
        help="for each wait")
    return parser.parse_args(argv)


def main(argv):
    args = parse(argv)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    before = memory.pool()
    if before:
        tell("figures", variant="pool", values={"before": before})
        check("the pool is full before", before["nr_free"] ==
              before["nr_units"] and not before["nr_granted"],
              f"{before['nr_units']} units of "
              f"{before['unit_bytes'] >> 20} MiB")
    runs = []
    for variant in ("glibc", "hugespan"):
        folder = tempfile.mkdtemp(prefix="hugespan-demo-redis-")
        try:
            runs.append(Run(args, variant, Path(folder)))
            runs[-1].all()
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    for name, text in (("loaded", "after loading"),
                       ("changed", "after all the writes")):
        digests = [run.digests[name] for run in runs]
        check(f"the same data on glibc and on hugespan, {text}",
              len(set(digests)) == 1 and EMPTY_DIGEST not in digests,
              f"DEBUG DIGEST {digests[1][:12]}...")
    # Small pages fault one by one, whoever hands them out.
    if args.backend != "plain":
        compare_faults(runs)
    if before:
        pool_after(before)


def compare_faults(runs):
    """A unit is mapped as a whole, so few faults are left to take."""
    glibc, hugespan = (run.figures["load_faults"] for run in runs)
    check("loading took a tenth of glibc's page faults at most",
          hugespan * 10 <= glibc, f"{hugespan:,} and {glibc:,}")


def pool_after(before):
    """The units that were given out have to be back, zeroed or not."""
    end = time.monotonic() + POOL_SECONDS
    while True:
        after = memory.pool()
        if after["nr_free"] == before["nr_free"] or time.monotonic() > end:
            break
        time.sleep(0.1)
    tell("figures", variant="pool", values={"after": after})
    check("the pool is full again", all(
        after[name] == before[name]
        for name in ("nr_units", "nr_free", "nr_granted", "nr_quarantined")),
        f"{after['nr_free']} of {after['nr_units']} units")


if __name__ == "__main__":
    main(sys.argv[1:])

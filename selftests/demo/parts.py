#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The parts of tools/demo: what it shows must be what was measured.

A percentile read from the wrong line, or half of the index, would look just
as fine in the report; and a demo that was interrupted must not leave a Redis
behind.
"""

import io
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.dont_write_bytecode = True
TOP = Path(__file__).resolve().parent.parent.parent
PARTS = TOP / "tools/demo.d"
sys.path.insert(0, str(PARTS))

import bench                    # noqa: E402
import packages                 # noqa: E402
import resp                     # noqa: E402
from screen import Screen, WIDTH        # noqa: E402

WAIT_SECONDS = 120

# As redis-benchmark prints it, with what it overwrites while it runs.
BENCHMARK = """\
SET: rps=0.0 (overall: nan) avg_msec=nan\r            \rSET: rps=3.0\r
====== SET ======
  20000 requests completed in 0.58 seconds
Latency by percentile distribution:
0.000% <= 0.176 milliseconds (cumulative count 1)
50.000% <= 0.495 milliseconds (cumulative count 10120)
98.438% <= 14.855 milliseconds (cumulative count 19688)
99.219% <= 15.655 milliseconds (cumulative count 19844)
99.805% <= 19.583 milliseconds (cumulative count 19961)
99.902% <= 19.791 milliseconds (cumulative count 19981)
100.000% <= 20.015 milliseconds (cumulative count 20000)

Cumulative distribution of latencies:
99.999% <= 99.999 milliseconds (cumulative count 20000)

Summary:
  throughput summary: 34722.22 requests per second
"""
STANZAS = [
    b"Package: a\nDescription: first: line\n second\n\tthird\nEmpty:\n",
    "Package: b\nMaintainer: Jürgen\n".encode(),
]


def benchmark_is_read():
    assert bench.parse(BENCHMARK) == {
        "rps": 34722.22, "p50_ms": 0.495, "p99_ms": 15.655, "p999_ms": 19.791,
        "max_ms": 20.015}


def benchmark_without_figures_is_an_error():
    for text in ("", "Could not connect to Redis\n",
                 BENCHMARK.replace("throughput", "thr")):
        try:
            bench.parse(text)
        except ValueError:
            continue
        raise AssertionError(f"accepted: {text!r}")


def stanzas_are_read():
    assert packages.fields(STANZAS[0]) == [
        b"Package", b"a", b"Description", b"first: line\n second\n\tthird",
        b"Empty", b""]


def the_index_is_taken_evenly():
    everything = [packages.fields(STANZAS[n % 2]) for n in range(100)]
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        for limit, count in ((10, 10), (99, 99), (100, 100), (1000, 100)):
            assert packages.write_commands(folder, everything, limit) == count
            load = (folder / "load.resp").read_bytes()
            assert load.count(b"\r\nHSET\r\n") == count
            assert packages.key(count - 1).encode() in load
    assert packages.key(7) == "package:000000000007"


def without_lists_dpkg_is_asked():
    lists, packages.LISTS = packages.LISTS, Path("/nonexistent")
    try:
        files, source = packages.index_files()
        count = sum(1 for _ in packages.stanzas(files))
    finally:
        packages.LISTS = lists
    assert str(files[0]) in source and count > 50, (files, source, count)


def commands_count_bytes():
    assert resp.command("SET", "ü", b"\r\n") == \
        b"*3\r\n$3\r\nSET\r\n$2\r\n\xc3\xbc\r\n$2\r\n\r\n\r\n"


def replies_are_read():
    with tempfile.TemporaryDirectory() as folder:
        path = folder + "/socket"
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(path)
            listener.listen()
            client = resp.Client(path, 10)
            server, _ = listener.accept()
        with server:
            server.sendall(b"+OK\r\n:12\r\n$4\r\na\r\nb\r\n$-1\r\n"
                           b"*2\r\n:1\r\n$1\r\nx\r\n-ERR no\r\n")
            assert client.call("A") == "OK"
            assert client.call("A") == 12
            assert client.call("A") == "a\r\nb"
            assert client.call("A") is None
            assert client.call("A") == [1, "x"]
            for wanted in (resp.RedisError, ConnectionError):
                try:
                    client.call("A")
                except wanted:
                    server.shutdown(socket.SHUT_RDWR)
                    continue
                raise AssertionError(f"no {wanted}")
        client.close()


def lines_have_their_times():
    out = io.StringIO()
    screen = Screen(out)
    screen.begin("a step")
    screen.progress("half")
    screen.told -= 60
    screen.progress("more than half " * 9)
    screen.end("done", 1.25)
    screen.begin("x" * (WIDTH + 9))
    screen.end("", 2)
    lines = out.getvalue().splitlines()
    assert len(lines) == 3, lines
    assert len(lines[0]) <= WIDTH and "... more" in lines[0], lines
    assert len(lines[1]) == WIDTH and lines[1].endswith("1.2 s"), lines
    assert lines[2].endswith("x 2.0 s"), lines


def start_scenario(folder, count):
    everything = [[b"Package", b"p%d" % n, b"Text", b"t" * (n % 500)]
                  for n in range(count)]
    packages.write_commands(folder, everything, count)
    # A temporary folder of its own shows what is left behind.
    return subprocess.Popen(
        [PARTS / "scenario.py", "--files", folder, "--count", str(count),
         "--backend", "plain", "--requests", "500"], text=True,
        env={**os.environ, "TMPDIR": str(folder)}, stdout=subprocess.PIPE)


def children_of(pid):
    out = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            text = path.read_text()
        except OSError:
            continue
        if int(text[text.rindex(")") + 2:].split()[1]) == pid:
            out.append(int(path.parent.name))
    return out


def left_behind(folder):
    return [path.name for path in folder.iterdir() if path.is_dir()]


def small_run():
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        child = start_scenario(folder, 2000)
        text, _ = child.communicate(timeout=WAIT_SECONDS)
        events = [json.loads(line) for line in text.splitlines()]
        checks = [event for event in events if event["event"] == "check"]
        bad = [found for found in checks if not found["passed"]]
        assert child.returncode == 0 and len(checks) > 10 and not bad, bad
        assert not left_behind(folder), left_behind(folder)


def interrupted_run():
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        child = start_scenario(folder, 20000)
        try:
            for line in child.stdout:
                event = json.loads(line)
                if event["event"] == "step" and "load" in event["text"]:
                    break
            started = children_of(child.pid)
            assert started, "Redis was to be there"
            child.send_signal(signal.SIGTERM)
            child.communicate(timeout=WAIT_SECONDS)
        finally:
            child.kill()
            child.wait()
        assert child.returncode == 128 + signal.SIGTERM, child.returncode
        end = time.monotonic() + 10
        while any(Path(f"/proc/{pid}").exists() for pid in started):
            assert time.monotonic() < end, f"still there: {started}"
            time.sleep(0.05)
        assert not left_behind(folder), left_behind(folder)


TESTS = [benchmark_is_read, benchmark_without_figures_is_an_error,
         stanzas_are_read, the_index_is_taken_evenly,
         without_lists_dpkg_is_asked, commands_count_bytes, replies_are_read,
         lines_have_their_times]
WITH_REDIS = [small_run, interrupted_run]


def main():
    print(f"TAP version 13\n1..{len(TESTS) + len(WITH_REDIS)}")
    failed = False
    for number, test in enumerate(TESTS + WITH_REDIS, 1):
        if test in WITH_REDIS and not shutil.which("redis-server"):
            print(f"ok {number} {test.__name__} # SKIP no redis-server")
            continue
        try:
            test()
            print(f"ok {number} {test.__name__}")
        except Exception as error:      # every test is to have its line
            failed = True
            print(f"not ok {number} {test.__name__}")
            print(f"# {type(error).__name__}: {error}"[:500])
        sys.stdout.flush()
    return failed


if __name__ == "__main__":
    sys.exit(main())

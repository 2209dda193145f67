# SPDX-License-Identifier: MIT
"""redis-benchmark: running it, and reading the percentiles it prints."""

import re
import subprocess

CONNECTIONS = 20
PERCENTILE = re.compile(r"^([\d.]+)% <= ([\d.]+) milliseconds \(cumulative")
THROUGHPUT = re.compile(r"throughput summary: ([\d.]+) requests per second")


def argv(path, requests, *test):
    return ["redis-benchmark", "-s", str(path), "-n", str(requests),
            "-c", str(CONNECTIONS), "--precision", "3", *map(str, test)]


def parse(text):
    """{"rps", "p50_ms", "p99_ms", "p999_ms", "max_ms"} of one test."""
    # What it shows while it runs is overwritten by carriage returns.
    lines = re.split(r"[\r\n]+", text)
    steps = []
    for line in lines:
        found = PERCENTILE.match(line)
        if found:
            steps.append((float(found.group(1)), float(found.group(2))))
        if line.startswith("Cumulative distribution"):
            break
    rate = THROUGHPUT.search(text)
    if not steps or not rate:
        raise ValueError("redis-benchmark printed no figures:\n" + text[-500:])

    def at(percent):
        return next(ms for reached, ms in steps if reached >= percent)

    return {"rps": float(rate.group(1)), "p50_ms": at(50), "p99_ms": at(99),
            "p999_ms": at(99.9), "max_ms": steps[-1][1]}


def start(path, requests, *test):
    return subprocess.Popen(argv(path, requests, *test), text=True,
                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT)


def finish(child, timeout_s):
    try:
        text, _ = child.communicate(timeout=timeout_s)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
        raise
    if child.returncode:
        raise ValueError(f"redis-benchmark failed:\n{text[-500:]}")
    return parse(text)

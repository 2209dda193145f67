# SPDX-License-Identifier: MIT
"""What is measured: one table. Everything else, from --list to the plots,
reads it."""

from dataclasses import dataclass

import programs
from methods import Count, Once, Served

KIB = 1024
MIB = 1024 * KIB


@dataclass
class Group:
    name: str
    title: str
    unit: dict               # {figure: its unit}
    rounds: int
    quick_rounds: int
    cases: object            # function of quick: {name: Method}
    needs: tuple = ()        # programs without which it is skipped


def size(count):
    for unit, letter in ((MIB, "M"), (KIB, "K")):
        if count >= unit and count % unit == 0:
            return f"{count // unit}{letter}"
    return str(count)


def served(*words):
    return Served(*words)


def pairs(sizes):
    return lambda quick: {size(each): served("pair", each) for each in sizes}


def batches(quick):
    sizes = (64, 256, KIB, 4 * KIB, 32 * KIB)
    return {f"{order} {size(each)}": served("batch", order, each, 1000)
            for order in ("lifo", "fifo", "random") for each in sizes}


def callocs(quick):
    found = {size(each): served("calloc", each)
             for each in (64, KIB, 16 * KIB, 128 * KIB, MIB)}
    found["100 of 64K"] = served("calloc-batch", 64 * KIB, 100)
    return found


def reallocs(quick):
    return {f"{size(last)} x{buffers}": served("realloc", last, buffers)
            for last, buffers in ((64 * KIB, 1), (MIB, 1), (MIB, 2),
                                  (16 * MIB, 2))}


def mixed(quick):
    return {f"to {size(largest)}": served("mixed", largest, 20000)
            for largest in (KIB, 32 * KIB)}


def threads(quick):
    ops = 60_000 if quick else 1_200_000
    return {f"{kind} {nr}": Once(
        "threads", kind, nr, ops, pinned=False,
        keep={"cpu": ("cpu_ns", 1), "peak": ("peak_kib", KIB)})
        for kind in ("alone", "pairs", "mesh", "server")
        for nr in (2, 16, 64)}


LATENCIES = {"p50": ("p50_ns", 1), "p99": ("p99_ns", 1),
             "p99.9": ("p99_9_ns", 1), "p99.99": ("p99_99_ns", 1),
             "faults": ("faults", 1)}


def latencies(quick):
    samples, live = (20_000, 2000) if quick else (400_000, 20_000)
    found = {}
    for state in ("steady", "cold"):
        for touched in ("leave", "touch"):
            label = f"{state}, touched" if touched == "touch" else state
            found[label] = Once("latency", state, touched, "real", samples,
                                live, keep=LATENCIES, twin=True)
    return found


MEMORY = {"full": ("full_kib", KIB), "freed": ("freed_kib", KIB),
          "idle 1 s": ("idle_kib", KIB)}


def fragments(quick):
    mib = 8 if quick else 200
    return {f"{death}, {sizes}": Once("fragment", death, sizes, mib,
                                      keep=MEMORY)
            for death in ("fifo", "random") for sizes in ("fixed", "shifting")}


def givebacks(quick):
    mib = 8 if quick else 200
    return {"16 to 32K": Once("giveback", 16, 32 * KIB, mib, keep=MEMORY),
            "256K to 4M": Once("giveback", 256 * KIB, 4 * MIB, mib,
                               keep=MEMORY)}


def preforks(quick):
    mib = 8 if quick else 281
    return {f"{per_mille / 10:g}% freed": Once(
        "prefork", mib, per_mille, keep={"unshared": ("unshared_kib", 1)})
        for per_mille in (1, 500)}


def trivial(quick):
    return {"malloc(100)": Once("trivial", keep={
        "RSS": ("rss_kib", KIB), "private dirty": ("private_dirty_kib", KIB)})}


def counts(quick):
    return {size(each): Count(each)
            for each in ((64,) if quick else (64, KIB, 32 * KIB))}


NS = {"ns": "ns"}
MEMORY_UNITS = dict.fromkeys(MEMORY, "MiB")
LATENCY_UNITS = {name: "ns" if name != "faults" else "" for name in LATENCIES}

GROUPS = [
    Group("pairs", "Hot pairs: malloc and free of one object to 1 KiB",
          NS, 61, 7, pairs((64, 128, 256, 512, KIB))),
    Group("pairs-large", "Hot pairs of 4 KiB to 256 KiB", NS, 61, 7,
          pairs((4 * KIB, 16 * KIB, 32 * KIB, 64 * KIB, 256 * KIB))),
    Group("pairs-huge", "Hot pairs of 1 MiB", NS, 61, 7, pairs((MIB,))),
    Group("batches", "1000 objects, then all freed", NS, 41, 5, batches),
    Group("calloc", "calloc and free", NS, 41, 5, callocs),
    Group("realloc", "realloc, doubling from 16 bytes", NS, 41, 5, reallocs),
    Group("mixed", "Mixed sizes, 20,000 live, random ones replaced", NS,
          61, 5, mixed),
    Group("threads", "Threads: CPU time of a pair, peak memory",
          {"cpu": "ns", "peak": "MiB"}, 11, 2, threads),
    Group("latency", "Latency of one malloc up to 32 KiB", LATENCY_UNITS,
          7, 2, latencies),
    Group("fragmentation", "200 MiB live, after deaths and births",
          MEMORY_UNITS, 1, 1, fragments),
    Group("giveback", "200 MiB filled once, then freed", MEMORY_UNITS, 2, 1,
          givebacks),
    Group("prefork", "What a child unshares of 281 MiB by freeing",
          {"unshared": "KiB"}, 2, 1, preforks),
    Group("trivial", "A program that calls malloc once",
          {"RSS": "MiB", "private dirty": "MiB"}, 5, 1, trivial),
    Group("instructions", "Instructions of a pair of malloc and free",
          {"instructions": ""}, 1, 1, counts, needs=("valgrind",)),
    Group("programs", "Real programs: CPU time, peak memory",
          {"cpu": "ms", "peak": "MiB"}, 5, 1, programs.cases),
]


def by_name(name):
    return next(group for group in GROUPS if group.name == name)



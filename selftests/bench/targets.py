# SPDX-License-Identifier: MIT
"""What the project wants of itself, and whether these results show it."""

from dataclasses import dataclass

from allocators import OURS
from report import best_peer, comparable, number, to_best
from stats import geomean, spread

MISSED, MET = "missed", "met"


@dataclass
class Target:
    name: str
    text: str
    group: str
    limit: float
    figure: str = "ns"
    case: str = ""           # those that begin so
    absolute: bool = False   # the figure itself, else to the best peer
    unit: str = ""


TARGETS = [
    Target("1a", "hot pairs to 1 KiB", "pairs", 1.00),
    Target("1b", "hot pairs of 4 KiB to 256 KiB", "pairs-large", 1.00),
    Target("1c", "instructions of a pair of 64 B", "instructions", 40,
           "instructions", "64", absolute=True),
    Target("2a", "batches to 32 KiB", "batches", 1.05),
    Target("2b", "mixed sizes", "mixed", 1.00),
    Target("2c", "calloc", "calloc", 1.00),
    Target("3", "realloc doubling", "realloc", 1.00),
    Target("4a", "threads, CPU time", "threads", 1.00, "cpu"),
    Target("4b", "threads, peak memory", "threads", 1.00, "peak"),
    Target("5a", "latency, steady, p99.99", "latency", 1000, "p99.99",
           "steady", absolute=True, unit="ns"),
    Target("5b", "latency, cold and touched, p99.99", "latency", 5000,
           "p99.99", "cold, touched", absolute=True, unit="ns"),
    Target("5c", "page faults in the steady state", "latency", 0, "faults",
           "steady", absolute=True),
    Target("6a", "MiB left 1 s after all is freed", "giveback", 8, "idle 1 s",
           absolute=True, unit="MiB"),
    Target("6b", "the same after fragmentation", "fragmentation", 8,
           "idle 1 s", absolute=True, unit="MiB"),
    Target("6c", "200 MiB of shifting sizes, random death", "fragmentation",
           300, "full", "random, shifting", absolute=True, unit="MiB"),
    Target("6d", "RSS of a trivial program", "trivial", 2, "RSS",
           absolute=True, unit="MiB"),
    Target("7a", "unshared by a child that frees 0.1%", "prefork", 64,
           "unshared", "0.1%", absolute=True, unit="KiB"),
    Target("7b", "unshared by a child that frees 50%", "prefork", 1024,
           "unshared", "50%", absolute=True, unit="KiB"),
]


def rows_of(results, group, figure, case=""):
    return [result for result in results
            if result["group"] == group and result["figure"] == figure
            and (result["case"] == case if case == "64"
                 else result["case"].startswith(case))
            and OURS in result["allocators"]]


def row(name, text, met, figure, limit, remark=""):
    return {"name": name, "text": text, "verdict": MET if met else MISSED,
            "figure": figure, "limit": limit, "remark": remark}


def by_figure(target, rows):
    worst = max(rows, key=lambda result:
                result["allocators"][OURS]["median"])
    value = worst["allocators"][OURS]["median"]
    remark = ""
    best = best_peer(worst)
    if best:
        peer = worst["allocators"][best[1]]["median"]
        remark = f"; best peer {number(peer)} ({best[1]})"
    if len(rows) > 1:
        remark = f"; worst: {worst['case']}" + remark
    return row(target.name, target.text, value <= target.limit,
               f"{number(value)} {target.unit}".strip(),
               f"{target.limit:g} {target.unit}".strip(), remark)


def by_ratio(target, rows):
    found = [(to_best(result), result) for result in rows]
    found = [(one[0], one[1], result) for one, result in found if one]
    if not found:
        return None
    value = geomean([one[0] for one in found])
    worst = max(found, key=lambda one: one[0])
    return row(target.name, target.text, value <= target.limit,
               f"{value:.2f}", f"{target.limit:.2f} of the best peer",
               f"; worst: {worst[2]['case']} {worst[0]:.2f} of {worst[1]}")


def noise(result, names):
    """What two allocators' ratios may differ by without meaning anything."""
    return sum(spread(result["allocators"][name].get(
        "ratio", result["allocators"][name])) for name in names)


def programs(results):
    """None slower than with its best peer by more than noise. Python's server
    has two peers by name; memory needs no allowance for noise."""
    for result in rows_of(results, "programs", "cpu"):
        found = to_best(result)
        if found:
            limit = 1 + noise(result, (OURS, found[1]))
            yield row("8", f"{result['case']}, CPU time", found[0] <= limit,
                      f"{found[0]:.3f}", f"{limit:.3f} of {found[1]}")
    for figure, peer in (("peak", "jemalloc"), ("cpu", "mimalloc")):
        for result in rows_of(results, "programs", figure, "python3 malloc"):
            other = result["allocators"].get(peer)
            if other:
                value = comparable(result["allocators"][OURS]) \
                    / comparable(other)
                limit = 1 + (noise(result, (OURS, peer))
                             if figure == "cpu" else 0)
                yield row("8", f"{result['case']}, {figure}", value <= limit,
                          f"{value:.3f}", f"{limit:.3f} of {peer}")


def verdicts(results):
    found = []
    for target in TARGETS:
        rows = rows_of(results, target.group, target.figure, target.case)
        if rows:
            found.append((by_figure if target.absolute else by_ratio)(
                target, rows))
    return [one for one in found if one] + list(programs(results))

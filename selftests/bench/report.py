# SPDX-License-Identifier: MIT
"""The results as a text table. A result is a row of the JSON as well:
{"group", "case", "figure", "unit", "allocators": {name: summary}}."""

from allocators import OURS, REFERENCE, TWIN, is_ours
from stats import spread

CELL = 18


def number(value):
    if value >= 1000:
        return f"{value:,.0f}"
    if value >= 100:
        return f"{value:.0f}"
    if value >= 10:
        return f"{value:.1f}"
    return f"{value:.2f}"


def ratio_text(value):
    if value >= 10:
        return f"{value:,.0f}"
    return f"{value:.2f}" if value >= 0.095 else f"{value:.3f}"


def cell(one):
    if not one:
        return "-".rjust(CELL)
    text = number(one["median"])
    if "ratio" in one:
        text += f" {ratio_text(one['ratio']['median'])}"
        text += f" ±{spread(one['ratio']) * 100:.0f}%"
    return text.rjust(CELL)


def comparable(one):
    """The ratio to the reference where there is one, else the figure: to
    divide one allocator's by another's."""
    return one["ratio"]["median"] if "ratio" in one else one["median"]


def best_peer(result):
    peers = [(comparable(one), name)
             for name, one in result["allocators"].items()
             if name != TWIN and not is_ours(name)]
    return min(peers) if peers else None


def to_best(result):
    """(ours to the best peer's, that peer), or None where one is missing."""
    ours, best = result["allocators"].get(OURS), best_peer(result)
    if not ours or not best:
        return None
    if not best[0]:
        return (1.0 if not ours["median"] else float("inf")), best[1]
    return comparable(ours) / best[0], best[1]


def table(title, results, names):
    width = max([len(label(result)) for result in results] + [12])
    names = [name for name in names
             if any(name in result["allocators"] for result in results)]
    yield title
    yield " " * width + "".join(name.rjust(CELL) for name in names) \
        + "  ours to the best peer"
    for result in results:
        line = label(result).ljust(width)
        line += "".join(cell(result["allocators"].get(name))
                        for name in names)
        found = to_best(result)
        yield line + (f"  {ratio_text(found[0])} ({found[1]})" if found else "")
    yield ""


def label(result):
    """Which row: the figure is named where a case has several."""
    text = result["case"]
    if result["figure"] != "ns":
        text += f" {result['figure']}"
    return text + (f" [{result['unit']}]" if result["unit"] else "")


def whole(document, groups):
    meta = document["meta"]
    names = [one["name"] for one in meta["allocators"]] + [TWIN]
    yield (f"{meta['machine']}, Linux {meta['kernel']}, {meta['cpus']} CPUs, "
           f"{meta['date']}, seed {meta['seed']}")
    yield (f"Each cell: the median, its ratio to {REFERENCE} in the same round "
           "(median), and the spread of that ratio (half of the quartiles' "
           "distance).")
    yield ""
    for group in groups:
        results = [result for result in document["results"]
                   if result["group"] == group.name]
        if results:
            yield from table(f"== {group.name}: {group.title}", results, names)
    if document["targets"]:
        yield "== targets of the project"
        for target in document["targets"]:
            yield (f"{target['name']:<5} {target['verdict']:<7}"
                   f"{target['text']}: {target['figure']} "
                   f"(target {target['limit']}){target['remark']}")
        yield ""
    for problem in document["problems"]:
        yield f"problem: {problem}"

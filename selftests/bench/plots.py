# SPDX-License-Identifier: MIT
"""Which charts are drawn of the results: one of each group and figure; of
latencies one of each case, with the percentiles side by side."""

import re

import svg
from allocators import REFERENCE, TWIN

# Times of the machine say little elsewhere: these are shown as ratios.
AS_RATIO = ("ns", "cpu")


def file_name(*words):
    return re.sub(r"[^\w.]+", "-", "-".join(words)).strip("-") + ".svg"


def names_in(results, names):
    return [name for name in (*names, TWIN)
            if any(name in result["allocators"] for result in results)]


def of_figure(group, figure, results, names):
    ratio = figure in AS_RATIO
    rows = []
    for result in results:
        found = {name: one["ratio"] if ratio else one
                 for name, one in result["allocators"].items()
                 if not ratio or "ratio" in one}
        if found:
            rows.append((result["case"], found))
    if not rows:
        return None
    what = {"ns": "", "cpu": ": CPU time"}.get(figure, f": {figure}")
    return svg.chart(group.title.split(":")[0] + what,
                     f"CPU time, {REFERENCE} is 1" if ratio
                     else results[0]["unit"] or figure,
                     rows, names_in(results, names), 1.0 if ratio else None)


def latency(case, results, names):
    rows = [(result["figure"], result["allocators"]) for result in results
            if result["unit"] == "ns"]
    return svg.chart(f"Latency of one malloc, {case}", "ns", rows,
                     names_in(results, names))


def all_plots(document, groups):
    """(file name, SVG) of each."""
    names = [one["name"] for one in document["meta"]["allocators"]]
    for group in groups:
        results = [result for result in document["results"]
                   if result["group"] == group.name]
        if group.name == "latency":
            for case in dict.fromkeys(result["case"] for result in results):
                yield (file_name(group.name, case), latency(
                    case, [result for result in results
                           if result["case"] == case], names))
            continue
        for figure in group.unit:
            picked = [result for result in results
                      if result["figure"] == figure]
            chart = of_figure(group, figure, picked, names) if picked else None
            if chart:
                words = [group.name] + ([] if len(group.unit) == 1
                                        else [figure])
                yield file_name(*words), chart

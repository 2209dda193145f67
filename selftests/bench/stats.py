# SPDX-License-Identifier: MIT
"""From samples to figures: everything is a median over rounds."""

import math
import statistics


def quantile(values, q):
    """Between the two nearest values, in proportion."""
    values = sorted(values)
    at = (len(values) - 1) * q
    low = int(at)
    high = min(low + 1, len(values) - 1)
    return values[low] + (values[high] - values[low]) * (at - low)


def summary(values):
    return {"median": statistics.median(values),
            "p25": quantile(values, 0.25), "p75": quantile(values, 0.75)}


def ratios(values, reference):
    """Of the same round each; rounds in which either is missing (None) or
    the reference is 0 have none."""
    return [mine / other for mine, other in zip(values, reference)
            if mine is not None and other]


def geomean(values):
    """0 counts as a millionth: a row that costs nothing must not hide the
    others of its group."""
    return math.exp(statistics.fmean(math.log(max(value, 1e-6))
                                     for value in values))


def figures(samples, reference):
    """{allocator: its summary} of one row; samples: {allocator: [values]}."""
    out = {}
    for name, values in samples.items():
        there = [value for value in values if value is not None]
        if not there:
            continue
        out[name] = {**summary(there), "values": values}
        paired = ratios(values, samples.get(reference, []))
        if paired:
            out[name]["ratio"] = summary(paired)
    return out


def spread(one):
    """Half of the distance between the quartiles, as a part of the median."""
    if not one["median"]:
        return 0.0
    return (one["p75"] - one["p25"]) / 2 / one["median"]

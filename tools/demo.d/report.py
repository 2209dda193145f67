# SPDX-License-Identifier: MIT
"""The figures of one part, as a table."""

from screen import bytes_text

LABEL_WIDTH = 26
COLUMN_WIDTH = 26


def latencies(test):
    """The percentiles as redis-benchmark has them, in ms."""
    return " / ".join(f"{test[name]:.2f}" if test[name] < 10 else
                      f"{test[name]:.0f}" for name in
                      ("p50_ms", "p99_ms", "p999_ms", "max_ms"))


def benchmark_rows(label, name):
    return [
        (f"{label}, per s", lambda f: f"{f[name]['rps']:,.0f}"),
        ("  ms, p50/p99/p99.9/max", lambda f: latencies(f[name])),
        ("  page faults", lambda f: f"{f[name]['faults']:,}"),
    ]


def units(figures):
    """What hugespan took at the most; glibc has no units."""
    words = figures.get("last_words")
    if not words or not words["unit_bytes"]:
        return "-"
    count = words["mapped_peak_bytes"] // words["unit_bytes"]
    lesser = words["nr_fallback_units"]
    return f"{count} of {bytes_text(words['unit_bytes'])}" \
        + (f", {lesser} lesser" if lesser else "")


def rows():
    """[(label, function of a variant's figures that makes its text)]."""
    return [
        ("memory: empty", lambda f: bytes_text(f["start_rss_bytes"])),
        ("  loaded", lambda f: bytes_text(f["rss_bytes"])),
        ("  of that in huge pages", lambda f: bytes_text(f["huge_bytes"])),
        ("  all deleted", lambda f: bytes_text(f["empty_rss_bytes"])),
        ("units, at the most", units),
        ("loading", lambda f: f"{f['load_s']:.1f} s"),
        ("  page faults", lambda f: f"{f['load_faults']:,}"),
        *benchmark_rows("reading (HGETALL)", "read"),
        *benchmark_rows("writing (SET)", "write"),
        ("snapshot: its fork",
         lambda f: f"{f['snapshot']['fork_ms']:.1f} ms"),
        *benchmark_rows("  writing meanwhile", "snapshot"),
    ]


def pool_lines(pool, hugespan):
    """The pool before, with Redis loaded and after, in units."""
    states = [("before", pool.get("before")),
              ("Redis loaded", hugespan.get("pool_loaded")),
              ("after", pool.get("after"))]
    for label, state in states:
        if state:
            yield (f"  pool, {label}".ljust(LABEL_WIDTH + 2)
                   + f"{state['nr_free']} of {state['nr_units']} units free"
                   f", {state['nr_granted']} granted")


def table(figures):
    """figures: {"glibc": {...}, "hugespan": {...}, "pool": {...}}; yields
    lines. Nothing where a run did not come to its end."""
    glibc, hugespan = figures.get("glibc"), figures.get("hugespan")
    if not glibc or not hugespan:
        return
    yield " " * (LABEL_WIDTH + 2) + "glibc".rjust(COLUMN_WIDTH) \
        + "hugespan".rjust(COLUMN_WIDTH)
    for label, text in rows():
        yield "  " + label.ljust(LABEL_WIDTH) + "".join(
            text(values).rjust(COLUMN_WIDTH) for values in (glibc, hugespan))
    yield from pool_lines(figures.get("pool", {}), hugespan)

#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""selftests/bench: that it measures what it says, and says what it measured.

A figure of the wrong allocator, or a case that silently fell out, looks like
any other line of the table. What is checked here are its numbers' form and
origin, never how fast anything was.
"""

import json
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree
from pathlib import Path

sys.dont_write_bytecode = True
TOP = Path(__file__).resolve().parent.parent.parent
BENCH = TOP / "selftests/bench"
RUN = BENCH / "run"
sys.path.insert(0, str(BENCH))

import allocators               # noqa: E402
import cases                    # noqa: E402
import report                   # noqa: E402
import stats                    # noqa: E402
import svg                      # noqa: E402
import targets                  # noqa: E402

WAIT_SECONDS = 60
# A group of each method, those that are quick, and figures of all kinds.
GROUPS = ("pairs", "realloc", "prefork", "trivial")


def bench(*words, status=0):
    done = subprocess.run([str(RUN), *map(str, words)], text=True,
                          capture_output=True, timeout=WAIT_SECONDS)
    assert done.returncode == status, \
        f"{words}: status {done.returncode}\n{done.stderr}"
    return done


def row(figure, ours, glibc, peer):
    samples = {"hugespan": ours, "glibc": glibc, "peer": peer}
    return {"group": "pairs", "case": "64", "figure": figure, "unit": "ns",
            "allocators": stats.figures(samples, "glibc")}


def ratios_are_of_the_same_round():
    # A disturbance that all of a round see cancels out; a median of one
    # allocator divided by that of another would say 1.
    one = row("ns", [10, 40, 30], [20, 80, 60], [30, 120, None])
    found = one["allocators"]
    assert found["hugespan"]["ratio"]["median"] == 0.5
    assert found["peer"]["ratio"]["median"] == 1.5
    assert len(found["peer"]["values"]) == 3
    assert report.to_best(one) == (0.5, "glibc")


def quantiles_are_between_values():
    assert stats.quantile([3, 1, 2], 0.5) == 2
    assert stats.quantile([0, 10], 0.25) == 2.5
    assert stats.quantile([7], 0.75) == 7
    assert abs(stats.geomean([1, 4]) - 2) < 1e-9


def targets_are_judged():
    fast, slow = row("ns", [9], [10], [20]), row("ns", [25], [10], [20])
    assert [one["verdict"] for one in targets.verdicts([fast])] == ["met"]
    assert [one["verdict"] for one in targets.verdicts([slow])] == ["missed"]
    figures = {"hugespan": [3000], "glibc": [30]}
    one = {"group": "prefork", "case": "50% freed", "figure": "unshared",
           "unit": "KiB", "allocators": stats.figures(figures, "glibc")}
    (verdict,) = targets.verdicts([one])
    assert verdict["verdict"] == "missed" and "3,000" in verdict["figure"]
    # Every target can be met by something that is measured.
    for target in targets.TARGETS:
        group = cases.by_name(target.group)
        assert target.figure in group.unit, target
        assert any(name.startswith(target.case)
                   for name in group.cases(False)), target


def charts_are_xml():
    rows = [("a & b", {"x": {"median": 1, "p25": 0.5, "p75": 2},
                       "y": {"median": 900, "p25": 900, "p75": 900}}),
            ("<c>", {"x": {"median": 0, "p25": 0, "p75": 0}})]
    for picked in (rows, rows[1:]):
        text = svg.chart("t & t", "ns", picked, ["x", "y"], 1.0)
        ElementTree.fromstring(text)
    assert svg.Axis([1, 900]).log and not svg.Axis([1, 2]).log
    axis = svg.Axis([1, 2])
    assert axis.y(2) < axis.y(1) < axis.y(0)


def list_names_every_case():
    text = bench("--list").stdout
    for group in cases.GROUPS:
        assert f"{group.name}: " in text
        for name in group.cases(False):
            assert f"  {name}\n" in text


def libraries_are_named():
    libc = allocators.find("libc.so.6")
    one = allocators.named(f"a={libc},X=1,Y=b=c")
    assert one.name == "a" and one.path == str(Path(libc).resolve())
    assert one.environment()["X"] == "1" and one.environment()["Y"] == "b=c"
    assert "LD_PRELOAD" not in dict(one.variables)
    assert allocators.named(libc).name == "libc"


def faults_of_the_caller_are_named():
    assert "no such library" in bench("/nowhere.so", status=2).stderr
    assert "VARIABLE=VALUE" in bench("/x.so,y", status=2).stderr
    assert "invalid choice" in bench("--group", "x", status=2).stderr
    assert "at least 1" in bench("--rounds", "0", status=2).stderr


def json_and_plots_are_whole():
    with tempfile.TemporaryDirectory(prefix="hugespan-bench-") as folder:
        file, plots = Path(folder, "new/out.json"), Path(folder, "svg")
        words = [word for name in GROUPS for word in ("--group", name)]
        said = bench("--quick", "--rounds", 2, "--json", file, "--svg", plots,
                     "--seed", 5, *words,
                     f"twice={allocators.find('libc.so.6')}").stdout
        document = json.loads(file.read_text())
        names = [one["name"] for one in document["meta"]["allocators"]]
        assert names[:2] == ["glibc", "hugespan"] and names[-1] == "twice"
        expected = {(name, case, figure) for name in GROUPS
                    for case in cases.by_name(name).cases(True)
                    for figure in cases.by_name(name).unit}
        found = {(one["group"], one["case"], one["figure"])
                 for one in document["results"]}
        assert found == expected, found ^ expected
        for one in document["results"]:
            check_row(one, names)
        assert document["targets"] and "== trivial" in said
        drawn = {path.name for path in plots.iterdir()}
        assert {"pairs.svg", "realloc.svg", "trivial-RSS.svg"} <= drawn
        for path in plots.iterdir():
            ElementTree.parse(path)


def check_row(one, names):
    assert set(one["allocators"]) == set(names), one
    for name, figures in one["allocators"].items():
        assert len(figures["values"]) == 2
        assert all(value >= 0 for value in figures["values"]), one
        assert figures["p25"] <= figures["median"] <= figures["p75"]
        if name == "glibc" and figures["median"]:
            assert figures["ratio"]["median"] == 1
    if one["group"] == "trivial":
        # glibc under another name is glibc: each gets its own library.
        glibc, twice = (one["allocators"][name]["median"]
                        for name in ("glibc", "twice"))
        assert abs(glibc - twice) < 0.5 * glibc


def a_peer_that_breaks_is_told():
    with tempfile.TemporaryDirectory(prefix="hugespan-bench-") as folder:
        source, library = Path(folder, "broken.c"), Path(folder, "broken.so")
        source.write_text("#include <unistd.h>\n__attribute__((constructor)) "
                          "static void die(void) { _exit(7); }\n")
        subprocess.run(["gcc", "-shared", "-fPIC", "-o", library, source],
                       check=True, timeout=WAIT_SECONDS)
        done = bench("--quick", "--rounds", 1, "--group", "pairs-huge",
                     "--group", "trivial", library, status=1)
        assert "problem: pairs-huge: 1M: broken: ended" in done.stdout
        assert "broken: exit status 7" in done.stdout
        assert "1M [ns]" in done.stdout


TESTS = [ratios_are_of_the_same_round, quantiles_are_between_values,
         targets_are_judged, charts_are_xml, list_names_every_case,
         libraries_are_named, faults_of_the_caller_are_named,
         json_and_plots_are_whole, a_peer_that_breaks_is_told]


def main():
    print(f"TAP version 13\n1..{len(TESTS)}")
    failed = 0
    for number, test in enumerate(TESTS, 1):
        name = test.__name__.replace("_", " ")
        try:
            test()
            print(f"ok {number} {name}", flush=True)
        except Exception as error:
            for line in f"{type(error).__name__}: {error}".splitlines():
                print(f"# {line}")
            print(f"not ok {number} {name}", flush=True)
            failed += 1
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

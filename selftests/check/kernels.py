#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Which kernels tools/check goes on with where the cache lacks some.

A machine that cannot have the kernel of sid skips it and says why. If one of
the others could be left out in the same way, nobody would see that it was.
"""

import os
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace

sys.dont_write_bytecode = True
TOP = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(TOP / "tools/check.d"))
CACHE = tempfile.TemporaryDirectory(prefix="hugespan-kernels-")
os.environ["HUGESPAN_CACHE"] = CACHE.name

import steps                    # noqa: E402
import tap                      # noqa: E402

KERNELS = Path(CACHE.name) / "kernels"
ALL = steps.paths.series_list()
SID = [series for series in ALL if steps.paths.is_optional(series)]
REST = [series for series in ALL if series not in SID]


def put_kernel(series):
    folder = KERNELS / f"{series}.1-test"
    folder.mkdir(parents=True)
    (folder / "series").write_text(f"{series}\n")
    (folder / "complete").write_text("1\n")


def skipped(args):
    """The results of what is said instead of the tests of missing kernels."""
    found = []
    for step in steps.missing_steps(args):
        for job in step.jobs:
            job.log = Path(CACHE.name) / "log"
            found += job.run(TOP).results
    return found


def arguments(*kernels, named=False):
    return SimpleNamespace(kernels=list(kernels), named=named, quick=False)


def test_one_is_optional_and_the_others_are_not():
    return len(SID) == 1 and REST[:2] == ["6.1", "6.12"]


def test_a_missing_one_of_sid_is_a_skip_with_its_reason():
    (KERNELS / f"{SID[0]}.failed").write_text("sid has moved on\n")
    args = arguments(*ALL)
    results = skipped(args)
    return args.kernels == REST and len(results) == 1 and \
        results[0].state == tap.SKIPPED and \
        "sid has moved on" in results[0].reason


def test_another_one_that_is_missing_stays_wanted():
    args = arguments(*REST)
    if skipped(args) or args.kernels != REST:
        return False
    try:
        list(steps.build_steps(SimpleNamespace(jobs=1, **vars(args))))
    except steps.paths.Trouble:
        return True
    return False


def test_with_all_there_none_is_skipped():
    for series in ALL:
        put_kernel(series)
    args = arguments(*ALL)
    return not skipped(args) and args.kernels == ALL


def test_one_of_sid_runs_the_library_only_by_name():
    return steps.full_kernels(arguments(*ALL)) == REST and \
        steps.full_kernels(arguments(*SID, named=True)) == SID


def test_a_module_for_sid_is_made_in_its_root():
    kernel = steps.paths.kernel_dir(SID[0])
    (kernel / "root").mkdir()
    return f"KROOT={kernel}/root" in steps.paths.module_make(kernel) and \
        steps.paths.module_make(steps.paths.kernel_dir(REST[0]))[-1] == \
        f"KDIR={steps.paths.kernel_dir(REST[0])}/build"


def main():
    KERNELS.mkdir()
    tests = [(name, test) for name, test in globals().items()
             if name.startswith("test_")]
    print(f"TAP version 13\n1..{len(tests)}")
    failed = False
    for number, (name, test) in enumerate(tests, 1):
        passed = test()
        failed |= not passed
        print(f"{'ok' if passed else 'not ok'} {number} {name[5:]}")
    return failed


if __name__ == "__main__":
    sys.exit(main())

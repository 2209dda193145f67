#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""How tools/check reads TAP: whatever was not said to have passed has failed.

A reader that is content with "no failure seen" would count a test program that
crashed on its first line as good.
"""

import sys
from pathlib import Path

sys.dont_write_bytecode = True
TOP = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(TOP / "tools/check.d"))

import jobs                     # noqa: E402
import tap                      # noqa: E402

# (what, output, exit status, passed, failed, skipped)
PROGRAMS = [
    ("all passed", "TAP version 13\n1..2\nok 1 a\nok 2 b\n", 0, 2, 0, 0),
    ("one failed", "1..2\nok 1 a\nnot ok 2 b\n", 1, 1, 1, 0),
    ("one skipped", "1..2\nok 1 # SKIP no device\nok 2 b\n", 0, 1, 0, 1),
    ("all skipped", "1..0 # SKIP no device\n", 4, 0, 0, 1),
    ("a plan at the end", "ok 1\nok 2\n1..2\n", 0, 2, 0, 0),
    ("nothing printed", "", 0, 0, 1, 0),
    ("no plan", "ok 1 a\n", 0, 1, 1, 0),
    ("crashed before a test", "", -11, 0, 1, 0),
    ("crashed in the middle", "1..3\nok 1 a\n", -11, 1, 1, 0),
    ("crashed after the last", "1..1\nok 1 a\n", -6, 1, 1, 0),
    ("stopped early with 0", "1..3\nok 1 a\n", 0, 1, 1, 0),
    ("more than planned", "1..1\nok 1 a\nok 2 b\n", 0, 2, 1, 0),
    ("failed but exited 0", "1..1\nnot ok 1 a\n", 0, 0, 2, 0),
    ("exited 1 without a failure", "1..1\nok 1 a\n", 1, 1, 1, 0),
    ("skip status without a skip", "1..1\nok 1 a\n", 4, 1, 1, 0),
    ("ran out of time", "1..2\nok 1 a\n", 124, 1, 1, 0),
    ("words that look like points", "1..1\nokay\nok 1 a\n# ok 2\n", 0, 1, 0, 0),
]
BEGIN, END = "hugespan-check: begin ", "hugespan-check: end "
# (what, output of in-guest for programs p and q, status of tools/vm, counts)
GUESTS = [
    ("both ran", f"{BEGIN}p\n1..1\nok 1 a\n\n{END}p 0\n"
                 f"{BEGIN}q\n1..1\nok 1 a\n\n{END}q 0\n", 0, 2, 0, 0),
    ("the guest never started", "vm: no\n", 125, 0, 2, 0),
    ("it ended in the first", f"{BEGIN}p\n1..2\nok 1 a\n", 125, 1, 2, 0),
    ("the kernel warned", f"{BEGIN}p\n1..1\nok 1 a\n\n{END}p 0\n"
                          f"{BEGIN}q\n1..1\nok 1 a\n\n{END}q 0\n",
     125, 2, 1, 0),
    ("one crashed", f"{BEGIN}p\n1..1\n\n{END}p 139\n"
                    f"{BEGIN}q\n1..1\nok 1 a\n\n{END}q 0\n", 0, 1, 1, 0),
]


def main():
    cases = [(what, tap.parse("p", text, status), wanted)
             for what, text, status, *wanted in PROGRAMS]
    read = jobs.guest({"p": "p", "q": "q"})
    cases += [(f"guest: {what}", read("g", text, status), wanted)
              for what, text, status, *wanted in GUESTS]
    print(f"TAP version 13\n1..{len(cases)}")
    failed = False
    for number, (what, results, wanted) in enumerate(cases, 1):
        got = [sum(result.state == state for result in results)
               for state in (tap.PASSED, tap.FAILED, tap.SKIPPED)]
        if got != wanted:
            failed = True
            print(f"# passed, failed, skipped: {got}, wanted {wanted}")
            print(f"# {results}")
        print(f"{'ok' if got == wanted else 'not ok'} {number} {what}")
    return failed


if __name__ == "__main__":
    sys.exit(main())

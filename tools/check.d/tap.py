# SPDX-License-Identifier: MIT
"""Reading TAP, strictly: what a test program did not say it passed, failed."""

import re
import signal
from dataclasses import dataclass, field

PASSED, FAILED, SKIPPED = "passed", "failed", "skipped"
SKIP_STATUS = 4          # kselftest's
DETAIL_LINES = 16

PLAN = re.compile(r"1\.\.(\d+)(?:\s*#\s*SKIP\b\s*(.*))?\s*$", re.IGNORECASE)
POINT = re.compile(r"(not )?ok\b(?:\s+(\d+))?(?:\s+-)?\s*(.*)$")
SKIP = re.compile(r"#\s*SKIP\b:?\s*(.*)$", re.IGNORECASE)
RUN = re.compile(r"#\s+RUN\s+(\S+)")     # kselftest's name of a test


@dataclass
class Result:
    """One test: its name, a state above, and why it was skipped or failed.

    detail: of a failure, the last lines that the test wrote.
    """
    name: str
    state: str
    reason: str = ""
    detail: list = field(default_factory=list)


def status_text(status):
    """An exit status in words; negative and above 128 mean signals."""
    number = -status if status < 0 else status - 128
    if status < 0 or status > 128:
        try:
            return f"killed by {signal.Signals(number).name}"
        except ValueError:
            pass
    if status == 124:
        return "ran out of time"
    return f"exit status {status}"


def parse(program, text, status):
    """The results of one program; never empty."""
    results, planned, skip_all, running, said = [], None, "", "", []
    for line in text.splitlines():
        said.append(line)
        run = RUN.match(line)
        plan = PLAN.match(line)
        point = POINT.match(line)
        if run:
            running, said = run.group(1), []
        elif plan and planned is None:
            planned = int(plan.group(1))
            skip_all = plan.group(2) or ""
        elif point:
            skip = SKIP.search(point.group(3))
            name = SKIP.sub("", point.group(3)).strip() or running \
                or f"test {point.group(2)}"
            if point.group(1):
                results.append(Result(f"{program}: {name}", FAILED,
                                      detail=said[-DETAIL_LINES:-1]))
            elif skip:
                results.append(Result(f"{program}: {name}", SKIPPED,
                                      skip.group(1).strip()
                                      or "no reason given"))
            else:
                results.append(Result(f"{program}: {name}", PASSED))
            running, said = "", []

    def broken(reason):
        results.append(Result(program, FAILED, reason, said[-DETAIL_LINES:]))

    failed = any(result.state == FAILED for result in results)
    if planned == 0 and status in (0, SKIP_STATUS) and not results:
        return [Result(program, SKIPPED, skip_all or "no reason given")]
    if status not in (0, 1, SKIP_STATUS):
        where = f" in {running}" if running else ""
        broken(status_text(status) + where)
    elif planned is None:
        broken("it printed no plan (1..N)")
    elif planned != len(results):
        broken(f"it planned {planned} tests and reported {len(results)}")
    elif status == 0 and failed:
        broken("it reported a failure and exited 0")
    elif status == 1 and not failed:
        broken("it exited 1 and reported no failure")
    elif status == SKIP_STATUS and \
            not any(result.state == SKIPPED for result in results):
        broken("it exited as skipped and skipped nothing")
    return results

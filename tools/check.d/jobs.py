# SPDX-License-Identifier: MIT
"""Running things: a job is a command, its log, and how to read its outcome."""

import os
import re
import signal
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path
from typing import Callable

import tap
from tap import FAILED, PASSED, SKIPPED, Result

TAIL_LINES = 25
LIVE = set()             # children that run now, from any thread
IN_GUEST = re.compile(r"hugespan-check: (begin|end) (\S+)(?: (\d+))?$")


def plain(name, text, status):
    """Passed or not by the exit status alone; 4 is a skip, as in tests."""
    if status == 0:
        return [Result(name, PASSED)]
    if status == tap.SKIP_STATUS:
        last = text.strip().splitlines()[-1:] or ["no reason given"]
        return [Result(name, SKIPPED, last[0])]
    return [Result(name, FAILED, tap.status_text(status),
                   text.splitlines()[-TAIL_LINES:])]


def guest(programs):
    """Reads what tools/check.d/in-guest printed for these programs.

    programs: {name in the guest: name for the results}.
    """
    def read(name, text, status):
        results, current, body, seen = [], None, [], set()
        last_words = text.splitlines()[-TAIL_LINES:]
        for line in text.splitlines():
            mark = IN_GUEST.match(line)
            if mark and mark.group(1) == "begin":
                current, body = mark.group(2), []
                seen.add(current)
            elif mark and current:
                results += tap.parse(programs.get(current, current),
                                     "\n".join(body), int(mark.group(3)))
                current = None
            else:
                body.append(line)
        if current:
            # Its own last words say more than a plan that was not kept.
            points = tap.parse(programs.get(current, current),
                               "\n".join(body), 0)
            results += [point for point in points
                        if point.state == PASSED or ": " in point.name]
            results.append(Result(
                programs.get(current, current), FAILED,
                f"the guest ended in it (tools/vm: {status})", last_words))
        for program, label in programs.items():
            if program not in seen:
                results.append(Result(
                    label, FAILED, f"not run (tools/vm: {status})",
                    [] if results else last_words))
        if status and not current and seen >= set(programs):
            reason = "the kernel warned, or the module did not come off: " \
                "see the log" if status == 125 else tap.status_text(status)
            results.append(Result(name, FAILED, reason, last_words))
        return results
    return read


@dataclass
class Job:
    """name: shown and matched by --only, as are those of the programs that a
    guest runs (covers). The working directory is the top of the tree."""
    name: str
    argv: list
    log: Path
    covers: list = field(default_factory=list)
    env: dict = field(default_factory=dict)
    timeout_s: float = 600
    read: Callable = tap.parse
    results: list = field(default_factory=list)
    seconds: float = 0

    def run(self, top):
        """Run it, bounded; its output goes to the log."""
        begun = time.monotonic()
        self.log.parent.mkdir(parents=True, exist_ok=True)
        try:
            status = self._run(top)
        except OSError as error:
            self.log.write_text(f"{self.argv[0]}: {error}\n")
            status = 127
        text = self.log.read_text(errors="replace")
        self.results = self.read(self.name, text, status)
        self.seconds = time.monotonic() - begun
        return self

    def _run(self, top):
        with open(self.log, "wb") as log:
            child = subprocess.Popen(
                self.argv, cwd=top, env={**os.environ, **self.env},
                stdin=subprocess.DEVNULL, stdout=log,
                stderr=subprocess.STDOUT, start_new_session=True)
        LIVE.add(child)
        try:
            return child.wait(self.timeout_s)
        except subprocess.TimeoutExpired:
            return 124
        finally:
            # The group is ours: nothing a job started outlives it. tools/vm
            # takes its guest along when it is asked to end.
            stop_group(child)
            LIVE.discard(child)

    def failed(self):
        return any(result.state == FAILED for result in self.results)


def stop_group(child):
    for number, patience in ((signal.SIGTERM, 5), (signal.SIGKILL, 5)):
        try:
            os.killpg(child.pid, number)
            child.wait(patience)
        except ProcessLookupError:
            break
        except subprocess.TimeoutExpired:
            continue
        if number == signal.SIGTERM:
            time.sleep(0.05)


def run_all(jobs, top, width, ended):
    """Run jobs, width at a time; ended(job) after each, in this thread.

    An interrupt (a signal, Ctrl-C) ends those that run and starts no more.
    """
    pool = ThreadPoolExecutor(max_workers=max(1, width))
    try:
        for done in as_completed([pool.submit(job.run, top) for job in jobs]):
            ended(done.result())
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        for child in list(LIVE):
            stop_group(child)
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)

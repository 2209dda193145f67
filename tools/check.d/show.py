# SPDX-License-Identifier: MIT
"""What a run looks like: a line for each step, more only where it failed."""

import shutil
import sys
import threading
import time

from tap import FAILED, PASSED, SKIPPED

HEARTBEAT_S = 60         # without a terminal: a sign of life in long steps
SHOWN_FAILURES = 10       # of one job, with what they wrote


def counts(results):
    return {state: sum(result.state == state for result in results)
            for state in (PASSED, FAILED, SKIPPED)}


def count_text(results):
    number = counts(results)
    text = f"{number[PASSED]} passed"
    for state in (FAILED, SKIPPED):
        if number[state]:
            text += f", {number[state]} {state}"
    return text


class Show:
    """The display; one step at a time, from any thread."""

    def __init__(self):
        self.begun = time.monotonic()
        self.live = sys.stdout.isatty()
        self.lock = threading.Lock()
        self.step = None

    def start(self, step):
        self.step, self.step_begun, self.done = step, time.monotonic(), 0
        self.last_beat = self.step_begun
        self.stop = threading.Event()
        self.ticker = threading.Thread(target=self._tick, daemon=True)
        self.ticker.start()

    def _tick(self):
        while not self.stop.wait(0.5):
            with self.lock:
                self._progress()

    def _progress(self):
        now = time.monotonic()
        line = f"  ..  {now - self.step_begun:6.1f} s  {self.step.title}"
        if len(self.step.jobs) > 1:
            line += f" ({self.done} of {len(self.step.jobs)})"
        if self.live:
            width = shutil.get_terminal_size().columns - 1
            sys.stdout.write("\r\033[K" + line[:width])
            sys.stdout.flush()
        elif now - self.last_beat >= HEARTBEAT_S:
            self.last_beat = now
            print(line, flush=True)

    def job_ended(self, _job):
        with self.lock:
            self.done += 1

    def end(self, step):
        self.stop.set()
        self.ticker.join()
        results = [result for job in step.jobs for result in job.results]
        word = "FAIL" if counts(results)[FAILED] else " ok "
        if self.live:
            sys.stdout.write("\r\033[K")
        seconds = time.monotonic() - self.step_begun
        print(f" {word} {seconds:6.1f} s  {step.title}: "
              f"{count_text(results)}", flush=True)
        for job in step.jobs:
            if job.failed():
                self._failed_job(job)

    def _failed_job(self, job):
        failures = [r for r in job.results if r.state == FAILED]
        for result in failures[:SHOWN_FAILURES]:
            reason = f" ({result.reason})" if result.reason else ""
            print(f"        not ok: {result.name}{reason}")
            for line in result.detail:
                print(f"        | {line}")
        if len(failures) > SHOWN_FAILURES:
            print(f"        and {len(failures) - SHOWN_FAILURES} more")
        print(f"        log: {job.log}")
        sys.stdout.flush()

    def note(self, text):
        print(f"      {text}", flush=True)

    def summary(self, results):
        """Skips by reason, failures by name, the time, and the last line."""
        by_reason = {}
        for result in results:
            if result.state == SKIPPED:
                by_reason.setdefault(result.reason, []).append(result.name)
        if by_reason:
            print("\nskipped:")
        for reason, names in sorted(by_reason.items()):
            more = f" and {len(names) - 2} more" if len(names) > 2 else ""
            print(f"  {reason}\n      {', '.join(names[:2])}{more}")
        failures = [r for r in results if r.state == FAILED]
        if failures:
            print("\nfailed:")
        for result in failures:
            reason = f" ({result.reason})" if result.reason else ""
            print(f"  {result.name}{reason}")
        minutes, seconds = divmod(int(time.monotonic() - self.begun), 60)
        print(f"\n{minutes} min {seconds} s")
        number = counts(results)
        line = f"{number[PASSED]} passed, {number[FAILED]} failed"
        if number[SKIPPED]:
            line += f", {number[SKIPPED]} skipped"
        print(line, flush=True)

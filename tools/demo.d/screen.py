# SPDX-License-Identifier: MIT
"""Lines of text for somebody who watches: steps with their times."""

import sys
import time

WIDTH = 76
QUIET_SECONDS = 10      # between progress lines where nothing can be redrawn


def bytes_text(count):
    return f"{count / (1 << 20):,.0f} MiB"


class Screen:
    """One step at a time. On a terminal its line is redrawn as it goes on;
    elsewhere a line is printed when it ends, and now and then before."""

    def __init__(self, stream=sys.stdout):
        self.stream = stream
        self.live = stream.isatty()
        self.text = ""
        self.begun = self.told = 0.0

    def line(self, text=""):
        self._clear()
        print(text, file=self.stream, flush=True)

    def title(self, text):
        self.line()
        self.line(text)
        self.line("-" * len(text))

    def begin(self, text):
        self.text, self.begun = text, time.monotonic()
        self.told = self.begun
        if self.live:
            self._draw("...")

    def progress(self, text):
        text = text[:max(4, WIDTH - len(self.text) - len("   ... "))]
        if self.live:
            self._draw(text)
        elif time.monotonic() - self.told > QUIET_SECONDS:
            self.told = time.monotonic()
            self.line(f"  {self.text} ... {text}")

    def end(self, note="", seconds=None):
        if seconds is None:
            seconds = time.monotonic() - self.begun
        text = f"  {self.text}" + (f": {note}" if note else "")
        took = f"{seconds:.1f} s"
        self.line(text + took.rjust(max(1 + len(took), WIDTH - len(text))))
        self.text = ""

    def _draw(self, text):
        print(f"\r\033[K  {self.text} ... {text}", end="", file=self.stream,
              flush=True)

    def _clear(self):
        if self.live and self.text:
            print("\r\033[K", end="", file=self.stream)

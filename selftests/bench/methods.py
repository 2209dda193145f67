# SPDX-License-Identifier: MIT
"""How a case is measured: begin() with all allocators, sample() one of them in
a round, end(). A sample is {figure: value}."""

import re
import subprocess
import tempfile

import process
from allocators import COUNTED, TWIN, WORKLOAD
from process import Failed

BLOCK_NS = 2_000_000
WARM_NS = 300_000
ANSWER_SECONDS = 60
ONCE_SECONDS = 300


class Method:
    def begin(self, allocators, cpu):
        self.cpu = cpu

    def end(self):
        pass


class Served(Method):
    """One live process for each allocator, all pinned to the same CPU, which
    they have in turn for a block of 2 ms. Interference comes and goes slower
    than that, so it meets all of a round alike."""

    def __init__(self, *words):
        self.words = words

    def begin(self, allocators, cpu):
        super().begin(allocators, cpu)
        self.children = {}
        for one in allocators:
            self.children[one.name] = process.start(
                [WORKLOAD, "serve", *self.words], one.environment(), cpu,
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)

    def ask(self, child, block_ns):
        try:
            child.stdin.write(b"%d\n" % block_ns)
        except BrokenPipeError:
            raise Failed("ended before it was asked") from None
        return process.read_line(child, ANSWER_SECONDS).split()

    def sample(self, one):
        child = self.children[one.name]
        # The last one's data are in the CPU's caches; get ours there first.
        self.ask(child, WARM_NS)
        cpu_ns, ops = self.ask(child, BLOCK_NS)
        return {"ns": int(cpu_ns) / int(ops)}

    def end(self):
        for child in self.children.values():
            process.stop(child)


def numbers(text):
    return {key: float(value)
            for key, value in (line.split() for line in text.splitlines())}


class Once(Method):
    """A process for each sample; it measures itself.

    keep: {name of a figure: (what the workload calls it, divisor)}.
    """

    def __init__(self, *words, keep, pinned=True, twin=False):
        self.words, self.keep, self.pinned = words, keep, pinned
        self.twin = twin

    def sample(self, one):
        words = list(self.words)
        if one.name == TWIN:
            words[words.index("real")] = "twin"
        found = numbers(process.output(
            [WORKLOAD, "once", *words], one.environment(), ONCE_SECONDS,
            self.cpu if self.pinned else None))
        return {name: found[key] / divisor
                for name, (key, divisor) in self.keep.items()}


class Count(Method):
    """Instructions that malloc and free take between them, from their first to
    their last: the difference of two runs under callgrind, so that nothing
    but the pairs is in it."""

    CALLER = "fn=pair_run"
    PAIRS = (2000, 12000)

    def __init__(self, bytes_each):
        self.bytes_each = bytes_each

    def calls_cost(self, one, count):
        with tempfile.NamedTemporaryFile(prefix="hugespan-bench-") as out:
            process.output(
                ["valgrind", "--tool=callgrind", "--compress-strings=no",
                 "--compress-pos=no", f"--callgrind-out-file={out.name}",
                 COUNTED, "once", "count", self.bytes_each, count],
                one.environment(), ONCE_SECONDS, self.cpu)
            text = out.read().decode()
        # "calls=how-often where", then "line cost-of-all-these-calls".
        found = [block.split("\nfn=")[0]
                 for block in text.split(f"\n{self.CALLER}\n")[1:]]
        costs = [int(line) for block in found
                 for line in re.findall(r"^calls=.*\n\d+ (\d+)$", block,
                                        re.MULTILINE)]
        if not costs:
            raise Failed("callgrind counted no call of malloc")
        return sum(costs)

    def sample(self, one):
        few, many = (self.calls_cost(one, count) for count in self.PAIRS)
        return {"instructions":
                (many - few) / (self.PAIRS[1] - self.PAIRS[0])}

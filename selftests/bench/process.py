# SPDX-License-Identifier: MIT
"""Child processes, each with a bounded life and gone when we are."""

import os
import select
import signal
import subprocess

LIVE = set()


class Failed(Exception):
    """What a child did instead of what it was asked to."""


def start(argv, env, cpu=None, **kwargs):
    def pin():
        if cpu is not None:
            os.sched_setaffinity(0, {cpu})

    child = subprocess.Popen([str(word) for word in argv], env=env,
                             preexec_fn=pin, start_new_session=True, **kwargs)
    LIVE.add(child)
    return child


def stop(child):
    """Its group is ours: nothing that it started outlives it."""
    try:
        os.killpg(child.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    if child.returncode is None:
        child.wait()
    for pipe in (child.stdin, child.stdout, child.stderr):
        if pipe:
            pipe.close()
    LIVE.discard(child)


def stop_all():
    for child in list(LIVE):
        stop(child)


def read_line(child, seconds):
    """A line of a child that writes one at a time."""
    ready, _, _ = select.select([child.stdout], [], [], seconds)
    if not ready:
        raise Failed(f"no answer in {seconds} s")
    line = child.stdout.readline()
    if not line:
        raise Failed("ended without an answer")
    return line


def output(argv, env, seconds, cpu=None, stderr=subprocess.STDOUT):
    """What a child that must succeed wrote."""
    child = start(argv, env, cpu, stdin=subprocess.DEVNULL, text=True,
                  stdout=subprocess.PIPE, stderr=stderr)
    try:
        text, _ = child.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        raise Failed(f"took more than {seconds} s") from None
    finally:
        stop(child)
    if child.returncode:
        raise Failed(f"exit status {child.returncode}: "
                     + " ".join(text.split())[-200:])
    return text

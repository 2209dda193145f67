# SPDX-License-Identifier: MIT
"""Where things are: the source tree, the cache, and the cached kernels."""

import os
import re
import subprocess
from pathlib import Path

PARTS = Path(__file__).resolve().parent
TOP = PARTS.parent.parent
CACHE = Path(os.environ.get("HUGESPAN_CACHE")
             or Path.home() / ".cache" / "hugespan")


class Trouble(Exception):
    """Something the user has to mend; its text says what."""


def series_list():
    """The kernel series that are tested, from the list tools/setup uses."""
    text = (TOP / "tools/setup.d/kernels.list").read_text()
    return [line.split()[0] for line in text.splitlines()
            if line.strip() and not line.startswith("#")]


def version_key(release):
    return [int(n) for n in re.findall(r"\d+", release)]


def kernel_dir(name):
    """The cached kernel of a series ("6.1") or with exactly that release."""
    found = []
    for path in (CACHE / "kernels").glob("*/complete"):
        path = path.parent
        if name in (path.name, (path / "series").read_text().strip()):
            found.append(path)
    if not found:
        raise Trouble(f"kernel {name} is not in {CACHE}/kernels: "
                      "run tools/setup --only guest")
    return max(found, key=lambda path: version_key(path.name))


def run_quiet(argv, **kwargs):
    """Run a tool whose output matters only when it fails."""
    try:
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, text=True,
                              stdout=subprocess.PIPE, check=False,
                              stderr=subprocess.STDOUT, **kwargs)
    except FileNotFoundError as error:
        raise Trouble(f"{argv[0]} is not installed: "
                      "run tools/setup --only guest") from error
    if done.returncode:
        raise Trouble(f"{argv[0]} failed:\n{done.stdout}")


def write_whole(path, make):
    """Make a file by calling make(temporary path), then rename it there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    try:
        make(partial)
        partial.rename(path)
    finally:
        partial.unlink(missing_ok=True)
    return path

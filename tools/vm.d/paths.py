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


def series_table():
    """{series: its suites}, from the list tools/setup uses."""
    text = (TOP / "tools/setup.d/kernels.list").read_text()
    rows = [line.split() for line in text.splitlines()
            if line.strip() and not line.startswith("#")]
    return {row[0]: row[1:] for row in rows}


def series_list():
    """The kernel series that are tested."""
    return list(series_table())


def is_optional(series):
    """Is a machine complete without it? See kernels.list."""
    return "sid" in series_table().get(series, [])


def why_missing(series):
    """Why tools/setup has no kernel of an optional series, or "" if it has."""
    try:
        kernel_dir(series)
        return ""
    except Trouble:
        failed = CACHE / "kernels" / f"{series}.failed"
        text = failed.read_text().strip() if failed.exists() else ""
        return text or "tools/setup has not fetched it"


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


def module_make(kernel):
    """The words that make the module for a cached kernel."""
    root = kernel / "root"
    if root.is_dir():
        return ["make", "modules", f"KDIR={root}/kdir", f"KROOT={root}"]
    return ["make", "modules", f"KDIR={kernel}/build"]


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

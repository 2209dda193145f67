# SPDX-License-Identifier: MIT
"""Which allocators are compared, and how a process gets one."""

import glob
import os
from dataclasses import dataclass
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent.parent
BUILD = TOP / "build"
WORKLOAD = BUILD / "bench/workload"
COUNTED = BUILD / "bench/counted"
REFERENCE = "glibc"
OURS = "hugespan"
TWIN = "(no malloc)"
# {name: (Debian's package, library)}
PEERS = {
    "jemalloc": ("libjemalloc2", "libjemalloc.so.2"),
    "tcmalloc": ("libtcmalloc-minimal4", "libtcmalloc_minimal.so.4"),
    "mimalloc": ("libmimalloc2.0", "libmimalloc.so.2"),
}
LIBRARY_FOLDERS = ("/usr/local/lib", "/usr/lib/*-linux-gnu", "/lib/*-linux-gnu",
                   "/usr/lib64", "/usr/lib")


@dataclass(frozen=True)
class Allocator:
    name: str
    path: str
    variables: tuple = ()    # (name, value) that it alone sees

    def settings(self):
        return {**os.environ, **dict(self.variables)}

    def environment(self):
        """The C library is named as well: a program that is linked with an
        allocator of its own (Debian's redis) gets glibc's only this way."""
        return {**self.settings(), "LD_PRELOAD": self.path}


def find(library):
    for folder in LIBRARY_FOLDERS:
        for path in sorted(glob.glob(f"{folder}/{library}")):
            return path
    return None


def is_ours(name):
    """Another build of ours, or other settings, is no peer: whoever is called
    hugespan-something."""
    return name.split("-")[0] == OURS


def named(text):
    """[NAME=]PATH[,VARIABLE=VALUE]...; without a name the file has one."""
    library, *settings = text.split(",")
    if not all("=" in setting for setting in settings):
        raise ValueError(f"{text}: after a comma goes VARIABLE=VALUE")
    name, mark, path = library.rpartition("=")
    path = Path(path).resolve()
    if not path.is_file():
        raise ValueError(f"{path}: no such library")
    return Allocator(name if mark else path.name.split(".so")[0], str(path),
                     tuple(tuple(setting.split("=", 1))
                           for setting in settings))


def available(more=(), only=()):
    """(allocators, what is missing in words). Ours and glibc are needed."""
    missing = []
    libc = find("libc.so.6")
    if not libc:
        raise ValueError("no libc.so.6 found in " + ", ".join(LIBRARY_FOLDERS))
    shim = BUILD / "libhugespan-malloc.so"
    if not shim.is_file() or not WORKLOAD.is_file():
        raise ValueError(f"{shim} or {WORKLOAD} is not built: run make bench")
    found = [Allocator(REFERENCE, libc), Allocator(OURS, str(shim))]
    for name, (package, library) in PEERS.items():
        if only and name not in only:
            continue
        path = find(library)
        if path:
            found.append(Allocator(name, path))
        else:
            missing.append(f"{name}: Debian's {package} is not installed")
    found += [named(text) for text in more]
    names = [one.name for one in found]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"two allocators are called {name}: "
                             "give one another name, NAME=PATH")
    return found, missing

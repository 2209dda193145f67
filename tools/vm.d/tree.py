# SPDX-License-Identifier: MIT
"""The second disk of a guest: the built tree, the module and given files.

  hs/          build/, selftests/, tools/ and Documentation/ of the tree
  hs-module/   hugespan.ko for the guest's kernel
  hs-files/    files given with --put
"""

import os

from paths import TOP, Trouble, module_make
from squash import Image

WANTED = ("build", "selftests", "tools", "Documentation")
# Nothing a guest could use: kernel objects, logs, objects of the compiler.
LEFT_OUT = {"build/kmod", "build/check", "build/vm"}
LEFT_OUT_NAMES = {".git", "__pycache__"}
LEFT_OUT_ENDINGS = (".o", ".d", ".cmd")


def add_folder(image, source, name, relative):
    try:
        with os.scandir(source) as found:
            entries = sorted(found, key=lambda entry: entry.name)
    except FileNotFoundError:
        return              # others may be building
    image.copy(source, name)
    for entry in entries:
        inner = f"{relative}/{entry.name}"
        if inner in LEFT_OUT or entry.name in LEFT_OUT_NAMES:
            continue
        if entry.is_dir(follow_symlinks=False):
            add_folder(image, entry.path, f"{name}/{entry.name}", inner)
        elif not entry.name.endswith(LEFT_OUT_ENDINGS):
            image.copy(entry.path, f"{name}/{entry.name}")


def module_of(kernel):
    return TOP / "build/kmod" / kernel.name / "hugespan.ko"


def make(path, kernel, module, files):
    """files: {name in /hs-files: path here}; a folder goes in whole."""
    if module and not module.exists():
        raise Trouble(f"{module} is not built: run "
                      f"{' '.join(module_make(kernel))}, or give --no-insmod")
    image = Image(path)
    for name in ("hs", "hs-module", "hs-files"):
        image.folder(name)
    for name in WANTED:
        if (TOP / name).is_dir():
            add_folder(image, TOP / name, f"hs/{name}", name)
    if module:
        image.copy(module, "hs-module/hugespan.ko")
    for name, source in files.items():
        if os.path.isdir(source):
            add_folder(image, source, f"hs-files/{name}", name)
        elif os.path.exists(source):
            image.copy(os.path.realpath(source), f"hs-files/{name}")
        else:
            raise Trouble(f"--put {source}: there is no such file")
    image.close()

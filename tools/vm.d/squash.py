# SPDX-License-Identifier: MIT
"""Writing squashfs images entry by entry, without a copy on disk.

Not compressed: reading costs an emulated CPU less, and disk is cheap.
"""

import io
import os
import stat
import subprocess
import tarfile

from paths import Trouble


class Image:
    """A squashfs being written: a tar stream into sqfstar."""

    def __init__(self, path):
        argv = ["sqfstar", "-quiet", "-no-progress", "-noI", "-noD", "-noF",
                "-noX", "-no-xattrs", str(path)]
        try:
            self.child = subprocess.Popen(
                argv, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE)
        except FileNotFoundError as error:
            raise Trouble("squashfs-tools are not installed: "
                          "run tools/setup --only guest") from error
        self.tar = tarfile.open(fileobj=self.child.stdin, mode="w|",
                                format=tarfile.GNU_FORMAT)
        self.seen = set()

    def _add(self, info, data=b""):
        info.size = len(data)
        info.uid = info.gid = 0
        try:
            self.tar.addfile(info, io.BytesIO(data))
        except BrokenPipeError:
            self.close()        # says why
            raise
        self.seen.add(info.name)

    def folder(self, name):
        """A folder, with those above it."""
        above = os.path.dirname(name)
        if above:
            self.folder(above)
        if name not in self.seen:
            info = tarfile.TarInfo(name)
            info.type, info.mode = tarfile.DIRTYPE, 0o755
            self._add(info)

    def text(self, name, text):
        info = tarfile.TarInfo(name)
        info.mode = 0o644
        self._add(info, text.encode())

    def link(self, name, target):
        info = tarfile.TarInfo(name)
        info.type, info.mode, info.linkname = tarfile.SYMTYPE, 0o777, target
        self._add(info)

    def copy(self, path, name):
        """A file, folder or link as it is; what is gone or closed is left.

        Read whole before its size is written, since others may be building.
        """
        try:
            status = os.lstat(path)
            if stat.S_ISLNK(status.st_mode):
                self.link(name, os.readlink(path))
            elif stat.S_ISDIR(status.st_mode):
                self.folder(name)
            elif stat.S_ISREG(status.st_mode):
                with open(path, "rb") as file:
                    data = file.read()
                info = tarfile.TarInfo(name)
                info.mode = status.st_mode & 0o7777
                info.mtime = int(status.st_mtime)
                self._add(info, data)
        except (FileNotFoundError, PermissionError):
            pass

    def close(self):
        try:
            self.tar.close()
            self.child.stdin.close()
        except BrokenPipeError:
            # Either it stopped at the tar's end mark, before the padding
            # behind that, or it failed; its exit status tells.
            pass
        errors = self.child.stderr.read().decode()
        if self.child.wait():
            raise Trouble(f"sqfstar failed:\n{errors}")

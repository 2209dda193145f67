# SPDX-License-Identifier: MIT
"""The initramfs of a guest: our init, the kernel's modules, and the job.

The first two depend on nothing of one run and are cached; the job is a second
cpio archive behind the first, which is how the kernel likes to have them.
"""

import hashlib
import lzma
import subprocess
import time

from paths import CACHE, PARTS, run_quiet, write_whole

# What a guest needs before its root is mounted; what they need in turn comes
# from modules.dep. What the kernel has built in is not among its modules.
MODULES = ["virtio_pci", "virtio_console", "virtio_blk", "squashfs", "overlay"]
KEEP_DAYS = 7
INIT_CFLAGS = ["-std=gnu11", "-O2", "-Wall", "-Wextra",
               "-static", "-s"]


def cpio(entries):
    """A newc archive of (name, mode, data)."""
    out = bytearray()

    def add(name, mode, data):
        raw = name.encode() + b"\0"
        fields = [len(out) + 1, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0,
                  len(raw), 0]
        out.extend(b"070701" + b"".join(b"%08X" % n for n in fields) + raw)
        out.extend(b"\0" * (-len(out) % 4))
        out.extend(data)
        out.extend(b"\0" * (-len(out) % 4))

    for entry in entries:
        add(*entry)
    add("TRAILER!!!", 0, b"")
    return bytes(out)


def module_order(kernel):
    """Paths of the modules to load, each after those it depends on."""
    depends, by_name, order = {}, {}, []
    for line in (kernel / "modules/modules.dep").read_text().splitlines():
        path, _, needed = line.partition(":")
        depends[path] = needed.split()
        name = path.rsplit("/", 1)[-1].split(".", 1)[0].replace("-", "_")
        by_name[name] = path

    def visit(path):
        if path in order:
            return
        for needed in depends[path]:
            visit(needed)
        order.append(path)

    for name in MODULES:
        if name in by_name:
            visit(by_name[name])
    return order


def read_module(path):
    data = path.read_bytes()
    return lzma.decompress(data) if path.suffix == ".xz" else data


def drop_old(folder):
    """What no tree has made for days; another one may use a newer one now."""
    oldest = time.time() - KEEP_DAYS * 86400
    for old in folder.glob("init*-*"):
        try:
            if old.stat().st_mtime < oldest:
                old.unlink()
        except FileNotFoundError:
            pass        # another run did


def build_init():
    """Our init, compiled; named by its source, compiler and options."""
    sources = sorted((PARTS / "init").glob("*.[ch]"))
    compiler = subprocess.run(["gcc", "-dumpfullversion"], check=True,
                              stdout=subprocess.PIPE).stdout
    key = hashlib.sha256(
        b"".join(source.read_bytes() for source in sources) + compiler
        + " ".join(INIT_CFLAGS).encode()).hexdigest()[:16]
    path = CACHE / "guest" / f"init-{key}"
    if not path.exists():
        write_whole(path, lambda partial: run_quiet(
            ["gcc", *INIT_CFLAGS, "-o", str(partial),
             *(str(source) for source in sources if source.suffix == ".c")]))
        drop_old(path.parent)
    return path


def base(kernel):
    """The cached part for a kernel."""
    init = build_init()
    path = CACHE / "guest" / f"initramfs-{kernel.name}-{init.name[5:]}.cpio"
    if path.exists():
        return path
    entries = [("init", 0o100755, init.read_bytes()),
               ("dev", 0o40755, b""), ("modules", 0o40755, b"")]
    for nr, name in enumerate(module_order(kernel)):
        data = read_module(kernel / "modules" / name)
        base_name = name.rsplit("/", 1)[-1].split(".", 1)[0]
        entries.append((f"modules/{nr:02}-{base_name}.ko", 0o100644, data))
    return write_whole(path,
                       lambda partial: partial.write_bytes(cpio(entries)))


def job_archive(argv, env, options):
    """The second part: what init reads below /job."""
    def words(items):
        return b"".join(item.encode() + b"\0" for item in items)

    return cpio([
        ("job", 0o40755, b""),
        ("job/argv", 0o100644, words(argv)),
        ("job/env", 0o100644, words(f"{k}={v}" for k, v in env.items())),
        ("job/options", 0o100644,
         "".join(f"{k} {v}\n" for k, v in options.items()).encode()),
    ])

# SPDX-License-Identifier: MIT
"""The guests' user space: one squashfs of files of installed Debian packages.

The packages of tools/setup.d/programs.list and all they depend on, as they are
on this machine, plus what a system needs around them (users, host name). The
image is named by a hash of what went in, and made once.
"""

import hashlib
import os
import subprocess
from pathlib import Path

from paths import CACHE, TOP, Trouble, write_whole
from squash import Image

FORMAT = "1"        # change it when the code below makes another image
LEFT_OUT = ("/usr/share/doc/", "/usr/share/man/", "/usr/share/info/",
            "/usr/share/locale/", "/usr/share/lintian/", "/usr/share/bug/",
            "/boot/", "/lib/modules/", "/usr/lib/modules/")
# Made on installation, so no package lists them.
MADE = ["/etc/alternatives", "/etc/ld.so.cache", "/etc/php",
        "/var/lib/php/modules"]
TOP_LINKS = {"bin": "usr/bin", "sbin": "usr/sbin", "lib": "usr/lib",
             "lib64": "usr/lib64"}
DIRS = ["proc", "sys", "dev", "tmp", "run", "root", "mnt", "hs", "hs-module",
        "hs-files", "hs-out", "var/tmp", "usr/bin", "usr/sbin", "usr/lib",
        "usr/lib64", "home"]
FILES = {
    "etc/passwd": "root:x:0:0:root:/root:/bin/bash\n"
                  "daemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin\n"
                  "hs:x:1000:1000:in group hugespan:/home:/bin/bash\n"
                  "nobody:x:65534:65534:nobody:/nonexistent:/bin/bash\n",
    "etc/group": "root:x:0:\ndaemon:x:1:\ntty:x:5:\nhs:x:1000:\n"
                 "hugespan:x:990:hs\nnogroup:x:65534:\n",
    "etc/hostname": "hugespan\n",
    "etc/hosts": "127.0.0.1 localhost hugespan\n::1 localhost\n",
    "etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files\n",
    "etc/shells": "/bin/sh\n/bin/bash\n",
    "root/.bashrc": "PS1='guest:\\w# '\n",
}


def package_list():
    text = (TOP / "tools/setup.d/programs.list").read_text()
    return [line.strip() for line in text.splitlines()
            if line.strip() and not line.startswith("#")]


def dpkg_query(fmt, *names):
    return subprocess.run(["dpkg-query", "-W", "-f", fmt, *names],
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                          text=True, check=False).stdout


def closure():
    """Installed packages reachable from the list: {name: version}."""
    fmt = ("${db:Status-Status}\t${binary:Package}\t${Version}\t"
           "${Essential}\t${Provides}\t${Pre-Depends}, ${Depends}\n")
    version, depends, providers, essential = {}, {}, {}, []
    for line in dpkg_query(fmt).splitlines():
        state, name, vers, always, provides, needs = line.split("\t")
        bare = name.split(":")[0]
        if state != "installed" or bare in version and ":" in name \
                and not name.endswith(":amd64"):
            continue
        version[bare] = vers
        if always == "yes":
            essential.append(bare)
        depends[bare] = needs
        for item in [bare, *provides.split(",")]:
            if item.strip():
                providers.setdefault(item.split()[0], []).append(bare)

    found, todo = {}, package_list()
    missing = [name for name in todo if name not in version]
    if missing:
        raise Trouble(f"packages are missing: {' '.join(missing)}; "
                      "run tools/setup --only programs")
    # No package names what is essential, and all of them need it.
    todo += essential
    while todo:
        name = todo.pop()
        if name in found:
            continue
        found[name] = version[name]
        for clause in depends[name].split(","):
            for choice in clause.split("|"):
                words = choice.split()
                real = providers.get(words[0].split(":")[0]) if words else None
                if real:
                    todo.extend(real)
                    break
    return found


def resolved(path):
    """The path with links resolved in its directory, but not itself."""
    folder, name = os.path.split(path)
    return os.path.join(os.path.realpath(folder), name)


def file_list(packages):
    listed = subprocess.run(["dpkg", "-L", *sorted(packages)], check=False,
                            stdout=subprocess.PIPE, text=True,
                            stderr=subprocess.DEVNULL).stdout.splitlines()
    for made in MADE:
        listed.append(made)
        listed.extend(str(path) for path in Path(made).rglob("*"))
    for folder in ("/usr/bin", "/usr/sbin"):
        with os.scandir(folder) as entries:
            listed.extend(
                entry.path for entry in entries if entry.is_symlink()
                and os.readlink(entry.path).startswith("/etc/alternatives/"))
    paths = set()
    for path in listed:
        # The doc folder's copyright files and the like help nobody here.
        if not path.startswith("/") or path == "/." or \
                (path + "/").startswith(LEFT_OUT):
            continue
        path = resolved(path)
        if path.strip("/") in TOP_LINKS or path.strip("/") in FILES:
            continue
        while path != "/" and path not in paths and os.path.lexists(path):
            paths.add(path)
            path = os.path.dirname(path)
    return sorted(paths)


def pack(paths, target):
    squash = Image(target)
    for path in paths:
        squash.copy(path, path[1:])
    for name in DIRS:
        squash.folder(name)
    for name, link in TOP_LINKS.items():
        squash.link(name, link)
    for name, text in FILES.items():
        squash.text(name, text)
    squash.close()


def image(progress):
    """The image's path; made now if it is not there."""
    packages = closure()
    text = FORMAT + "".join(f"{n} {v}\n" for n, v in sorted(packages.items()))
    key = hashlib.sha256(text.encode()).hexdigest()[:16]
    path = CACHE / "guest" / f"programs-{key}.squashfs"
    if not path.exists():
        progress(f"making the guest's user space, once "
                 f"({len(packages)} packages)")
        files = file_list(packages)
        write_whole(path, lambda partial: pack(files, partial))
        for old in path.parent.glob("programs-*.squashfs"):
            if old != path:
                old.unlink(missing_ok=True)
    return path

# SPDX-License-Identifier: MIT
"""This machine's Debian package index as Redis commands.

apt's lists describe every package that could be installed here: some tens of
thousands of stanzas of "Field: value" lines. Each becomes a hash, with a
number in its key so that redis-benchmark can ask for any of them.
"""

import subprocess
from pathlib import Path

from resp import command

LISTS = Path("/var/lib/apt/lists")
FALLBACKS = [Path("/var/lib/dpkg/available"), Path("/var/lib/dpkg/status")]
APT_HELPER = "/usr/lib/apt/apt-helper"
UNPACK_SECONDS = 120
KEY_FORM = "package:{}"


def key(number):
    """As redis-benchmark makes of __rand_int__: twelve digits."""
    return KEY_FORM.format(f"{number:012d}")


def index_files():
    """(files, what they are); apt's lists, else what dpkg knows."""
    if LISTS.is_dir():
        found = sorted(path for path in LISTS.iterdir()
                       if "_Packages" in path.name and path.is_file())
        if found:
            return found, "apt's lists"
    for path in FALLBACKS:
        if path.is_file() and path.stat().st_size:
            return [path], f"{path}, as apt has no lists here"
    raise FileNotFoundError("there is no package index: neither apt's lists "
                            "nor dpkg's status")


def contents(path):
    """The text of a file; apt knows in what way it keeps its own packed."""
    if path.parent != LISTS:
        return path.read_bytes()
    return subprocess.run([APT_HELPER, "cat-file", str(path)], check=True,
                          timeout=UNPACK_SECONDS,
                          stdout=subprocess.PIPE).stdout


def fields(stanza):
    """[name, value, name, value ...]; a value may go on over lines."""
    out = []
    for line in stanza.split(b"\n"):
        if line[:1] in (b" ", b"\t"):
            if out:
                out[-1] += b"\n" + line
        else:
            name, colon, value = line.partition(b":")
            if colon:
                out += [name, value.strip()]
    return out


def stanzas(files):
    for path in files:
        for stanza in contents(path).split(b"\n\n"):
            if stanza.strip():
                yield fields(stanza)


def write_commands(folder, everything, limit):
    """Make load.resp and change.resp in folder of at most limit stanzas,
    taken evenly from all; returns how many. change.resp is what is written
    while the snapshot is made: fields that grow, shrink, come and go."""
    step = max(1.0, len(everything) / limit)
    chosen = []
    while len(chosen) < limit and int(len(chosen) * step) < len(everything):
        chosen.append(everything[int(len(chosen) * step)])
    with open(folder / "load.resp", "wb") as load, \
            open(folder / "change.resp", "wb") as change:
        for number, words in enumerate(chosen):
            load.write(command("HSET", key(number), *words))
            turn = number % 8
            if turn == 0:
                change.write(command("HSET", key(number), "Description",
                                     words[1] * (1 + number % 60)))
            elif turn == 1:
                change.write(command("HSET", key(number), "Seen", number,
                                     "Section", "x" * (number % 200)))
            elif turn == 2:
                change.write(command("HDEL", key(number), "Description",
                                     "Depends", "Filename"))
            elif turn == 3 and number % 16 == 3:
                change.write(command("DEL", key(number)))
    return len(chosen)

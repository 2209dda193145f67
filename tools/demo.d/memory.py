# SPDX-License-Identifier: MIT
"""What the kernel says of a process's memory, and of the module's pool."""

import re
from pathlib import Path

DEVICE = "/dev/hugespan"
SYSFS = Path("/sys/kernel/hugespan")


def faults(pid):
    """Page faults since the process's start, those that read a disk too."""
    text = Path(f"/proc/{pid}/stat").read_text()
    words = text[text.rindex(")") + 2:].split()
    return int(words[7]) + int(words[9])


def resident(pid):
    """{"rss_bytes", "huge_bytes", "device_bytes"}: all that is resident, what
    of it is mapped by huge pages, what of it is of the device."""
    out = {"rss_bytes": 0, "huge_bytes": 0, "device_bytes": 0}
    device = False
    for line in Path(f"/proc/{pid}/smaps").read_text().splitlines():
        if re.match(r"[0-9a-f]+-[0-9a-f]+ ", line):
            device = DEVICE in line
            continue
        name, _, rest = line.partition(":")
        if name == "Rss":
            size = int(rest.split()[0]) << 10
            out["rss_bytes"] += size
            if device:
                out["device_bytes"] += size
        elif name in ("AnonHugePages", "FilePmdMapped", "ShmemPmdMapped",
                      "Private_Hugetlb", "Shared_Hugetlb"):
            size = int(rest.split()[0]) << 10
            out["huge_bytes"] += size
            if "Hugetlb" in name:    # these do not count as Rss
                out["rss_bytes"] += size
    return out


def maps_file(pid, name):
    """Does the process map a file with that in its path?"""
    return name in Path(f"/proc/{pid}/maps").read_text()


def granted_units(pid):
    """Units the process holds of the device, as its open files have it."""
    total = 0
    for path in Path(f"/proc/{pid}/fdinfo").iterdir():
        found = re.search(r"^hugespan-units:\s*(\d+)", path.read_text(),
                          re.MULTILINE)
        total += int(found.group(1)) if found else 0
    return total


def pool():
    """{attribute: sum over the nodes}, and unit_bytes; None: no module."""
    if not SYSFS.is_dir():
        return None
    out = {"unit_bytes": int((SYSFS / "unit_bytes").read_text())}
    for node in SYSFS.glob("node*"):
        for path in node.iterdir():
            text = path.read_text().strip()
            if path.name.startswith("nr_") and text.isdigit():
                out[path.name] = out.get(path.name, 0) + int(text)
    return out


def libc_path():
    """The C library's file, as this very process has it mapped."""
    found = re.search(r"(/\S*/libc\.so\.6)$",
                      Path("/proc/self/maps").read_text(), re.MULTILINE)
    return found.group(1)

# SPDX-License-Identifier: MIT
"""KVM or emulation: tried, not guessed, and remembered until a reboot.

/dev/kvm may exist and open and still not run a stock kernel (nested guests),
so the only proof is a boot.
"""

import os
import shutil
import time
from pathlib import Path

import guest
import initramfs
from paths import CACHE, write_whole

PROBE_SECONDS = 10


def probe(kernel):
    """("kvm" or "tcg", the reason for it)."""
    if not os.path.exists("/dev/kvm"):
        return "tcg", "there is no /dev/kvm"
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return "tcg", "/dev/kvm may not be opened; the group kvm may"
    machine = guest.Machine(
        accel="kvm", kernel=kernel, mem_mib=256, cpus=1,
        initramfs=initramfs.base(kernel).read_bytes()
        + initramfs.job_archive(["true"], {}, {}))
    trial = guest.Guest(machine, {}, PROBE_SECONDS)
    trial.deadline = trial.begun + PROBE_SECONDS
    result = trial.run(stop_at="boot")
    if result.reached != "nothing":
        return "kvm", "a trial boot worked"
    if time.monotonic() >= trial.deadline:
        return "tcg", f"a trial boot on /dev/kvm hung for {PROBE_SECONDS} s"
    return "tcg", "a trial boot on /dev/kvm failed"


def choose(kernel):
    """As probe(), from memory where machine, user and QEMU are the same."""
    wanted = os.environ.get("HUGESPAN_VM_ACCEL")
    if wanted in guest.ACCEL_OPTIONS:
        return wanted, "HUGESPAN_VM_ACCEL says so"
    qemu = shutil.which("qemu-system-x86_64") or ""
    key = " ".join([
        Path("/proc/sys/kernel/random/boot_id").read_text().strip(),
        str(os.getuid()), str(os.path.getmtime(qemu) if qemu else 0)])
    memory = CACHE / "guest" / "accel"
    if memory.exists():
        old_key, accel, reason = memory.read_text().split("\n")[:3]
        if old_key == key:
            return accel, reason
    accel, reason = probe(kernel)
    write_whole(memory, lambda partial: partial.write_text(
        f"{key}\n{accel}\n{reason}\n"))
    return accel, reason

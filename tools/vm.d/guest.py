# SPDX-License-Identifier: MIT
"""One boot of a guest: QEMU's command line, its channels, its end."""

import ctypes
import os
import selectors
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from paths import Trouble

BOOT_SECONDS = 90        # from the start of QEMU to init's first line
READY_SECONDS = 60       # from there to the mounted root
END_SECONDS = 60         # from the command's end to the guest's
DUMP_SECONDS = 3         # for the guest to show its tasks when time is up

# The last six keep an emulated guest on a busy machine from seeing stalls that
# are the machine's.
CMDLINE = ("console=ttyS0 panic=-1 oops=panic loglevel=4 reboot=t "
           "printk.devkmsg=on random.trust_cpu=on no_timer_check "
           "mitigations=off tsc=reliable nmi_watchdog=0 watchdog_thresh=60 "
           "rcupdate.rcu_cpu_stall_timeout=120")
ACCEL_OPTIONS = {
    # cx16=off: with it, one boot in some 25 died of a double fault.
    "tcg": ["-accel", "tcg,thread=multi", "-cpu", "max,cx16=off"],
    "kvm": ["-accel", "kvm", "-cpu", "host"],
}
PR_SET_PDEATHSIG = 1


@dataclass
class Machine:
    """What a guest is made of."""
    accel: str
    kernel: Path                     # its folder in the cache
    initramfs: bytes
    mem_mib: int = 2048
    cpus: int = 2
    nodes: int = 1
    disks: list = field(default_factory=list)    # read-only images, vda on
    nvme_bytes: int = 0
    terminal: bool = False           # our terminal is the guest's ttyS1


@dataclass
class Result:
    """How a boot ended. ended is None when the command did not end; timed_out
    is about the command, not about a guest that hung before or after it."""
    reached: str = "nothing"         # nothing, boot, ready, run, end, bye
    ended: int = None                # exit status; 128 + number for a signal
    insmod: int = 0
    rmmod: int = 0
    failure: str = ""
    timed_out: bool = False
    seconds: dict = field(default_factory=dict)
    log: str = ""


def die_with_parent():
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def numa_options(machine):
    out = []
    for node in range(machine.nodes):
        mem = machine.mem_mib // machine.nodes
        cpus = [cpu for cpu in range(machine.cpus)
                if cpu * machine.nodes // machine.cpus == node]
        out += ["-object", f"memory-backend-ram,id=mem{node},size={mem}M"]
        cpu_part = f",cpus={cpus[0]}-{cpus[-1]}" if cpus else ""
        out += ["-numa", f"node,nodeid={node},memdev=mem{node}{cpu_part}"]
    return out


def qemu_argv(machine, folder, ports):
    argv = ["qemu-system-x86_64", "-nodefaults", "-no-user-config",
            "-no-reboot", "-display", "none", "-net", "none",
            "-machine", "q35", *ACCEL_OPTIONS[machine.accel],
            "-smp", str(machine.cpus), "-m", f"{machine.mem_mib}M",
            "-kernel", str(machine.kernel / "vmlinuz"),
            "-initrd", str(folder / "initramfs"), "-append", CMDLINE,
            "-chardev", f"file,id=console,path={folder}/console",
            "-serial", "chardev:console"]
    if machine.terminal:
        argv += ["-chardev", "stdio,id=tty,signal=off",
                 "-serial", "chardev:tty"]
    if machine.nodes > 1:
        argv += numa_options(machine)
    argv += ["-device", "virtio-serial-pci"]
    for number, end in ports.items():
        argv += ["-chardev", f"socket,id=port{number},fd={end.fileno()}",
                 "-device", f"virtserialport,chardev=port{number},nr={number}"]
    for number, image in enumerate(machine.disks):
        argv += ["-drive", f"file={image},if=none,id=disk{number},"
                 "format=raw,readonly=on,cache=unsafe",
                 "-device", f"virtio-blk-pci,drive=disk{number}"]
    if machine.nvme_bytes:
        argv += ["-drive", f"file={folder}/nvme,if=none,id=nvme,"
                 "format=raw,cache=unsafe",
                 "-device", "nvme,serial=hugespan,drive=nvme"]
    return argv


class Guest:
    """Boots a machine and follows it to its end.

    sinks: {port number: function that takes bytes}; timeout_s: for loading the
    module and running the command, counted from "ready".
    """

    def __init__(self, machine, sinks, timeout_s):
        self.machine = machine
        self.sinks = sinks
        self.timeout_s = timeout_s
        self.result = Result()
        self.control_text = b""
        self.begun = time.monotonic()
        self.deadline = self.begun + BOOT_SECONDS

    def run(self, stop_at=None):
        """Returns a Result; the guest is gone then, whatever happened.

        stop_at: a point to be content with, e.g. "boot" for a probe.
        """
        folder = Path(tempfile.mkdtemp(prefix="hugespan-vm-"))
        try:
            (folder / "initramfs").write_bytes(self.machine.initramfs)
            if self.machine.nvme_bytes:
                with open(folder / "nvme", "wb") as file:
                    file.truncate(self.machine.nvme_bytes)
            self._boot(folder, stop_at)
            console = folder / "console"
            if console.exists():
                self.result.log = console.read_text(errors="replace")
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        return self.result

    def _boot(self, folder, stop_at):
        pairs = {nr: socket.socketpair() for nr in [1, *self.sinks]}
        theirs = {nr: pair[1] for nr, pair in pairs.items()}
        self.control = pairs[1][0]
        try:
            qemu = subprocess.Popen(
                qemu_argv(self.machine, folder, theirs),
                stdin=None if self.machine.terminal else subprocess.DEVNULL,
                stdout=None if self.machine.terminal else subprocess.DEVNULL,
                stderr=subprocess.PIPE, preexec_fn=die_with_parent,
                pass_fds=[end.fileno() for end in theirs.values()])
        except FileNotFoundError as error:
            raise Trouble("QEMU is not installed: "
                          "run tools/setup --only guest") from error
        try:
            for end in theirs.values():
                end.close()
            self._follow({nr: pair[0] for nr, pair in pairs.items()}, stop_at)
        finally:
            qemu.kill()
            errors = qemu.communicate()[1].decode(errors="replace").strip()
            for pair in pairs.values():
                pair[0].close()
        if errors and self.result.reached == "nothing":
            self.result.failure = errors

    def _follow(self, ports, stop_at):
        """Copy channels until all are closed, or time is up."""
        result = self.result
        with selectors.DefaultSelector() as selector:
            for number, end in ports.items():
                selector.register(end, selectors.EVENT_READ, number)
            while selector.get_map():
                left = self.deadline - time.monotonic()
                if left <= 0:
                    if result.timed_out or \
                            result.reached not in ("ready", "run"):
                        return
                    result.timed_out = True
                    self.deadline += DUMP_SECONDS
                    self._press_sysrq(b"w")
                    continue
                for key, _ in selector.select(left):
                    try:
                        data = key.fileobj.recv(1 << 16)
                    except ConnectionResetError:
                        data = b""
                    if not data:
                        selector.unregister(key.fileobj)
                    elif key.data == 1:
                        self._control(data)
                    else:
                        self.sinks[key.data](data)
                if stop_at and result.reached == stop_at:
                    return
                if result.timed_out and result.reached in ("end", "bye"):
                    return

    def _press_sysrq(self, key):
        try:
            self.control.send(key)
        except OSError:
            pass

    def _reach(self, point, seconds):
        now = time.monotonic()
        self.result.reached = point
        self.result.seconds[point] = now - self.begun
        self.deadline = now + seconds

    def _control(self, data):
        self.control_text += data
        *lines, self.control_text = self.control_text.split(b"\n")
        for line in lines:
            word, _, rest = line.decode(errors="replace").partition(" ")
            if word == "boot":
                self._reach("boot", READY_SECONDS)
            elif word == "ready":
                self._reach("ready", self.timeout_s)
            elif word == "run":
                self.result.reached = "run"
                self.result.seconds["run"] = time.monotonic() - self.begun
            elif word == "exit":
                self.result.ended = int(rest)
                self._reach("end", END_SECONDS)
            elif word == "signal":
                self.result.ended = 128 + int(rest)
                self._reach("end", END_SECONDS)
            elif word == "bye":
                self._reach("bye", END_SECONDS)
            elif word == "insmod":
                self.result.insmod = int(rest)
            elif word == "rmmod":
                self.result.rmmod = int(rest)
            elif word == "fail":
                self.result.failure = rest

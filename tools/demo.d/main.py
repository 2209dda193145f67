# SPDX-License-Identifier: MIT
"""The demo: what tools/demo runs once there is a Python. See --help."""

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

sys.dont_write_bytecode = True
PARTS = Path(__file__).resolve().parent
TOP = PARTS.parent.parent
sys.path[:0] = [str(PARTS), str(PARTS.parent / "vm.d")]

import accel                    # noqa: E402
import packages                 # noqa: E402
import paths                    # noqa: E402
import report                   # noqa: E402
from screen import Screen       # noqa: E402

LOGS = TOP / "build/demo"
LOG_TAIL = 20
GUEST = ["--mem", "2G", "--cpus", "2", "--pool-arg", "pool=512M"]
GUEST_SECONDS = 1800
# What one part does: at most so many stanzas, and requests of a benchmark.
# An emulated CPU is some thirty times slower.
EVERYTHING = {"stanzas": 1 << 30, "requests": 100000}
EMULATED = {"stanzas": 6000, "requests": 8000}

DESCRIPTION = """\
Shows hugespan at work: Redis as Debian has it, its memory served by hugespan,
with this machine's Debian package index in it.

  on this machine   in seconds, with no kernel module: from the best there is
  in a guest        with hugespan.ko and its heap on /dev/hugespan (QEMU; with
                    KVM where it works)

Each is done on the C library's malloc too, and compared. What is missing is
installed by tools/setup first, which needs root. Nothing is left running, and
no TCP port is opened.

The last line is "N passed, N failed", and the exit status is 1 if a claim
failed.
"""


class Failed(Exception):
    """A step that the rest needs; its text says what to look at."""


class Part:
    """What one part of the demo found."""

    def __init__(self):
        self.facts = {}
        self.figures = {}
        self.steps = []
        self.checks = []

    def check(self, name, passed, detail=""):
        self.checks.append({"name": name, "passed": passed, "detail": detail})


def parse(argv):
    parser = argparse.ArgumentParser(
        prog="tools/demo", description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    series = paths.series_list()
    add = parser.add_argument
    add("--host", action="store_true", help="only the part on this machine")
    add("--guest", action="store_true", help="only the part in a guest")
    add("--kernel", choices=series, default=series[0],
        help="the guest's (default: %(default)s)")
    add("--stanzas", type=int, metavar="N",
        help="load so many at most (default: all; 6000 in an emulated guest)")
    add("--json", metavar="FILE", help="write all figures there")
    args = parser.parse_args(argv)
    if not args.host and not args.guest:
        args.host = args.guest = True
    return args


def end(child):
    """Whatever happened to us, it does not stay behind."""
    if child.poll() is None:
        child.terminate()
        child.wait()


# ---- preparation ------------------------------------------------------------

def step(screen, text, argv, log):
    """Run a tool, its output in a log; Failed shows the log's end."""
    screen.begin(text)
    LOGS.mkdir(parents=True, exist_ok=True)
    path = LOGS / f"{log}.log"
    with open(path, "wb") as out:
        child = subprocess.Popen([str(word) for word in argv], cwd=TOP,
                                 stdin=subprocess.DEVNULL,
                                 stdout=subprocess.PIPE,
                                 stderr=subprocess.STDOUT)
        try:
            for line in child.stdout:
                out.write(line)
                out.flush()
                screen.progress(line.decode(errors="replace").strip())
            status = child.wait()
        finally:
            end(child)
    if status:
        lines = path.read_text(errors="replace").splitlines()
        raise Failed(f"{text}: exit status {status}; {path} ends with:\n  "
                     + "\n  ".join(lines[-LOG_TAIL:]))
    screen.end()


def prepare(screen, args):
    """Installs and builds what is missing, and nothing else."""
    setup = [TOP / "tools/setup"]
    if not args.guest:
        setup += ["--only", "programs"]
        if not shutil.which("make") or not shutil.which("gcc"):
            setup += ["--only", "build"]
    step(screen, "what is needed (tools/setup)", setup, "setup")
    step(screen, "library, shim and command (make)",
         ["make", f"-j{os.cpu_count()}", "all"], "make")
    if args.guest:
        kernel = paths.kernel_dir(args.kernel)
        step(screen, f"module for {kernel.name} (make modules)",
             paths.module_make(kernel), "modules")


def read_index(screen):
    screen.begin("this machine's Debian package index")
    try:
        files, source = packages.index_files()
    except FileNotFoundError:
        files = None
    if not files or files[0].parent != packages.LISTS:
        screen.progress("apt has no lists here: apt-get update")
        subprocess.run(["apt-get", "update"], stdin=subprocess.DEVNULL,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                       timeout=300, check=False)
        files, source = packages.index_files()
    everything = list(packages.stanzas(files))
    screen.end(f"{len(everything):,} stanzas ({source})")
    return everything


# ---- a part -----------------------------------------------------------------

def show_events(screen, part, stream):
    """Reads what scenario.py prints until it ends; it goes into part."""
    current = {}
    for line in stream:
        try:
            event = json.loads(line)
        except ValueError:
            screen.line(f"  | {line.rstrip()}")
            continue
        kind = event.pop("event")
        if kind == "step":
            current = event
            screen.begin(f"{event['variant']:<9}{event['text']}")
        elif kind == "progress":
            screen.progress(f"{100 * event['done'] // event['of']}%")
        elif kind == "done":
            part.steps.append({**current, **event})
            screen.end(event.get("note", ""), event["seconds"])
        elif kind == "check":
            part.check(**event)
        elif kind == "figures":
            part.figures.setdefault(event["variant"], {}).update(
                event["values"])


def run_scenario(screen, part, argv):
    """Exit status of a command that prints what scenario.py prints."""
    LOGS.mkdir(parents=True, exist_ok=True)
    errors = LOGS / "scenario.log"
    with open(errors, "wb") as log:
        child = subprocess.Popen([str(word) for word in argv], cwd=TOP,
                                 text=True, stdin=subprocess.DEVNULL,
                                 stdout=subprocess.PIPE, stderr=log)
        try:
            show_events(screen, part, child.stdout)
            status = child.wait()
        finally:
            end(child)
    if status:
        tail = errors.read_text(errors="replace").splitlines()[-LOG_TAIL:]
        for line in tail:
            screen.line(f"  | {line}")
    return status


def scenario_argv(files, count, size, backend):
    return ["--files", files, "--count", count, "--backend", backend,
            "--requests", size["requests"]]


def write_commands(part, everything, folder, size):
    count = packages.write_commands(folder, everything, size["stanzas"])
    part.facts.update(stanzas=count, stanzas_of=len(everything))
    return count


def backend_lines(part):
    """Which backend `auto` takes here, and why none that is better."""
    status = json.loads(subprocess.run(
        [TOP / "build/hugespan", "status", "--json"], check=True,
        stdout=subprocess.PIPE, timeout=30).stdout)
    taken = status["backend"]
    part.facts["backend"] = taken["name"]
    unit = taken["unit_bytes"] >> 20
    yield f"  memory from the {taken['name']} backend, unit of {unit} MiB"
    for backend in status["backends"]:
        if backend["name"] == taken["name"]:
            break
        yield f"    not {backend['name']}: {backend['reason']}"


def host_part(screen, args, everything):
    part, size = Part(), dict(EVERYTHING)
    size["stanzas"] = args.stanzas or size["stanzas"]
    screen.title("On this machine, without the module")
    for line in backend_lines(part):
        screen.line(line)
    folder = Path(tempfile.mkdtemp(prefix="hugespan-demo-"))
    try:
        count = write_commands(part, everything, folder, size)
        status = run_scenario(screen, part, [
            PARTS / "scenario.py",
            *scenario_argv(folder, count, size, "auto")])
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if status:
        part.check("the part on this machine came to its end", False,
                   f"exit status {status}")
    return part


def guest_part(screen, args, everything):
    part = Part()
    kernel = paths.kernel_dir(args.kernel)
    screen.title(f"In a guest with hugespan.ko, Linux {kernel.name}")
    screen.begin("does KVM work here?")
    accelerator, reason = accel.choose(kernel)
    screen.end(f"{'yes' if accelerator == 'kvm' else 'no'}, {reason}")
    part.facts.update(kernel=kernel.name, accelerator=accelerator)
    size = dict(EVERYTHING if accelerator == "kvm" else EMULATED)
    size["stanzas"] = args.stanzas or size["stanzas"]
    if accelerator != "kvm":
        screen.line("  the guest's CPUs are emulated: compare the columns, "
                    "not with real machines")
    folder = Path(tempfile.mkdtemp(prefix="hugespan-demo-"))
    try:
        count = write_commands(part, everything, folder, size)
        if count < len(everything):
            screen.line(f"  {count:,} of {len(everything):,} stanzas, taken "
                        "evenly")
        words = [PARTS.parent / "vm", "run", "--quiet", "--kernel",
                 args.kernel, *GUEST, "--timeout", GUEST_SECONDS,
                 "--keep-log", LOGS / "guest.kernel"]
        for name in ("load.resp", "change.resp"):
            words += ["--put", folder / name]
        status = run_scenario(screen, part, [
            *words, "--", "tools/demo.d/scenario.py", "--timeout", 600,
            *scenario_argv("/hs-files", count, size, "device")])
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    part.check("the guest came to its end", status in (0, 125),
               "" if status == 0 else f"exit status {status}")
    part.check("no warning in the kernel log, and the module came off",
               status == 0)
    return part


def show_part(screen, part):
    screen.line()
    for line in report.table(part.figures):
        screen.line(line)
    screen.line()
    for found in part.checks:
        detail = f" ({found['detail']})" if found["detail"] else ""
        screen.line(f"  {'ok    ' if found['passed'] else 'FAILED'}  "
                    f"{found['name']}{detail}")


def main(argv):
    args = parse(argv)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    screen, parts = Screen(), {}
    screen.line("hugespan: an unmodified Redis on huge pages")
    try:
        prepare(screen, args)
        everything = read_index(screen)
    except (Failed, paths.Trouble, OSError) as error:
        screen.line(f"demo: {error}")
        return 1
    if args.host:
        parts["host"] = host_part(screen, args, everything)
        show_part(screen, parts["host"])
    if args.guest:
        parts["guest"] = guest_part(screen, args, everything)
        show_part(screen, parts["guest"])
    checks = [found for part in parts.values() for found in part.checks]
    failed = sum(not found["passed"] for found in checks)
    if args.json:
        Path(args.json).write_text(json.dumps(
            {"passed": len(checks) - failed, "failed": failed,
             **{name: vars(part) for name, part in parts.items()}},
            indent=1) + "\n")
    screen.line()
    screen.line(f"{len(checks) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)

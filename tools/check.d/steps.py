# SPDX-License-Identifier: MIT
"""What tools/check runs. Everything is found in the tree; nothing is listed.

A step is a title, jobs, and how many of them may run at once. Later steps are
made when their turn comes, since tests exist only after the build.
"""

import os
import re
import sys
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "vm.d"))

import jobs                     # noqa: E402
import paths                    # noqa: E402
from jobs import Job            # noqa: E402

TOP = paths.TOP
LOGS = TOP / "build/check"
FUZZ_SECONDS = 20
# Bounds end what hangs; emulated CPUs that others use too are slow, and no test
# is judged by its speed.
PROGRAM_SECONDS = 900            # for one test program in a guest
GUEST_SECONDS = 3000             # for all programs of one guest
# Emulated CPUs are some thirty times slower: random tests do less there.
GUEST_TEST_OPS = "10000"
# A device test may ask for another guest in its source, after these words.
GUEST_OPTIONS = re.compile(r"\bguest options: *(.*?)\s*(?:\*/)?$", re.MULTILINE)
DEVICE_GUEST = ["--mem", "2G", "--pool-arg", "pool=512M", "--nvme", "64M"]
# {backend: options of its guest} for the library's tests.
LIB_GUESTS = {
    "device": ["--mem", "3G", "--pool-arg", "pool=1G"],
    "hugetlb": ["--mem", "3G", "--no-insmod", "--hugetlb", "512"],
    "thp": ["--mem", "2G", "--no-insmod"],
    "plain": ["--mem", "2G", "--no-insmod"],
}
# {variant: environment} of the library's tests on this machine.
LIB_VARIANTS = {
    "auto": {},
    "plain": {"HUGESPAN_BACKEND": "plain"},
    "no-rseq": {"HUGESPAN_RSEQ": "0"},
}
# What a test says that chooses its backends itself.
OWN_BACKENDS = re.compile(r"\bBACKEND_VARIANTS\(|\bhs_backend_select\(")
# Not "auto": who reserves hugetlb pages on this machine would change the test.
HOST_BACKENDS = ("thp", "plain")
SANITIZERS = {
    "ASAN_OPTIONS": "detect_stack_use_after_return=1:abort_on_error=0",
    "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1",
}


@dataclass
class Step:
    title: str
    jobs: list = field(default_factory=list)
    width: int = 1
    always: bool = False         # whatever --only says
    needed: bool = False         # without it the rest makes no sense


def log_of(name):
    return LOGS / (re.sub(r"[^\w.@-]+", "-", name) + ".log")


def job(name, argv, **kwargs):
    return Job(name=name, argv=[str(word) for word in argv],
               log=log_of(name), **kwargs)


def programs_in(folder):
    """Built test programs: what can be executed, less what make leaves."""
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir()
                  if path.is_file() and os.access(path, os.X_OK)
                  and path.suffix not in (".o", ".d", ".so"))


def setup_steps(_args):
    yield Step("what is needed (tools/setup)", always=True, needed=True,
               jobs=[job("setup", ["tools/setup"], read=jobs.plain,
                         timeout_s=3600)])


def missing_steps(args):
    """Kernels that this machine could not get and that it may do without.

    From here on args.kernels are those that are there.
    """
    reasons = {series: paths.why_missing(series) for series in args.kernels
               if paths.is_optional(series)}
    gone = [job(f"guest-{series}",
                ["sh", "-c", 'echo "$0"; exit 4',
                 f"no kernel {series} here: {reason}"], read=jobs.plain)
            for series, reason in reasons.items() if reason]
    args.kernels = [series for series in args.kernels
                    if not reasons.get(series)]
    if gone and not args.quick:
        yield Step("kernels that are not here", jobs=gone, always=True)


def build_steps(args):
    make = ["make", f"-j{args.jobs}"]
    yield Step("build: library, tools, tests", always=True, needed=True, jobs=[
        job("build/all", [*make, "all", "selftests"], read=jobs.plain,
            timeout_s=1800)])
    yield Step("build with ASan and UBSan", always=True, jobs=[
        job("build/sanitizers", [*make, "SAN=1", "all", "selftests"],
            read=jobs.plain, timeout_s=1800)])
    yield Step("build: the module", always=True, jobs=[
        job(f"build/module-{series}",
            [*paths.module_make(paths.kernel_dir(series)), make[1]],
            read=jobs.plain, timeout_s=900)
        for series in args.kernels])


def lint_steps(args):
    found = [job(f"lint/{path.name}", [path], read=jobs.plain)
             for path in programs_in(TOP / "tools/lint")]
    yield Step("lint", jobs=found, width=args.jobs)


def test_folders(build):
    """{folder of selftests/: its built test programs}."""
    if not build.is_dir():
        return {}
    found = {folder.name: programs_in(folder)
             for folder in sorted(build.iterdir()) if folder.is_dir()}
    return {name: programs for name, programs in found.items() if programs}


def library_tests():
    """Test programs of the library: the folders that are not of a kind that
    is run in its own way."""
    found = test_folders(TOP / "build/selftests")
    return [path for name, programs in found.items()
            if name not in ("core", "device", "fuzz") for path in programs]


def by_environment(path):
    """Does it take memory from the backend that HUGESPAN_BACKEND names?

    Tests of inner layers bring their own, or their fixtures have a variant for
    each, so one run of them covers all. The others hold these functions of the
    library.
    """
    source = TOP / "selftests" / path.parent.name / f"{path.name}.c"
    if source.exists() and OWN_BACKENDS.search(source.read_text()):
        return False
    symbols = path.read_bytes()
    return path.parent.name != "lib" or \
        b"\0hs_malloc\0" in symbols or b"\0hs_span_alloc\0" in symbols


def host_name(path):
    return f"{path.parent.name}/{path.name}"


def sanitizer_env(path):
    """These run side by side: one that has filled the pool of hugetlb pages for
    itself must not lose some to another that takes whatever is best."""
    backend = {"HUGESPAN_BACKEND": "thp"} if by_environment(path) else {}
    return {**SANITIZERS, **backend}


def host_steps(args):
    core = [job(f"host/core/{path.name}", [path])
            for path in programs_in(TOP / "build/selftests/core")]
    yield Step("core tests", jobs=core, width=args.jobs)
    for variant, env in LIB_VARIANTS.items():
        # One at a time: they measure, and they share the machine's hugetlb.
        yield Step(f"library tests, {variant}", jobs=[
            job(f"host/{host_name(path)}@{variant}", [path], env=env)
            for path in library_tests() if not env or by_environment(path)])
    yield Step("core and library tests with ASan and UBSan", width=args.jobs,
               jobs=[job(f"san/{host_name(path)}", [path],
                         env=sanitizer_env(path), timeout_s=1200)
                     for name, programs in test_folders(
                         TOP / "build-san/selftests").items()
                     if name not in ("device", "fuzz") for path in programs])


def fuzz_steps(args):
    found = []
    for path in programs_in(TOP / "build/selftests/fuzz"):
        corpus = LOGS / "fuzz" / path.name
        corpus.mkdir(parents=True, exist_ok=True)
        found.append(job(f"fuzz/{path.name}", [
            path, f"-max_total_time={FUZZ_SECONDS}", "-print_final_stats=1",
            f"-artifact_prefix={corpus}/", corpus],
            read=jobs.plain, timeout_s=FUZZ_SECONDS + 60))
    yield Step(f"fuzzers, {FUZZ_SECONDS} s each", jobs=found, width=args.jobs)


def script_steps(args):
    """Executable files of selftests/*/ are TAP scripts; some folders differ:
    programs/ has options, bench/ measures, include/ has no tests, and vm/
    starts guests."""
    for folder in sorted((TOP / "selftests").iterdir()):
        scripts = programs_in(folder)
        if not scripts or folder.name in ("programs", "bench", "include") or \
                folder.name == "vm" and args.quick:
            continue
        yield Step(f"scripts: {folder.name}", width=args.jobs, jobs=[
            job(f"{folder.name}/{path.stem}", [path], timeout_s=900)
            for path in scripts])


def guest_job(name, kernel, options, programs, env):
    """programs: {path relative to the top: name of its results}."""
    words = ["tools/vm", "run", "--kernel", kernel, *options,
             "--keep-log", log_of(name).with_suffix(".kernel"),
             "--timeout", GUEST_SECONDS]
    for key, value in env.items():
        words += ["--env", f"{key}={value}"]
    words += ["--", "tools/check.d/in-guest", PROGRAM_SECONDS, *programs]
    return job(name, words, read=jobs.guest(programs),
               covers=list(programs.values()),
               timeout_s=GUEST_SECONDS + 300)


def guest_ops():
    return {"HUGESPAN_TEST_OPS":
            os.environ.get("HUGESPAN_TEST_OPS", GUEST_TEST_OPS)}


def full_kernels(args):
    """Those that run more than the device tests: of the optional ones, to be
    short, only what --kernel names."""
    return [kernel for kernel in args.kernels
            if args.named or not paths.is_optional(kernel)]


def device_options(program):
    source = TOP / "selftests/device" / f"{program.name}.c"
    found = GUEST_OPTIONS.search(source.read_text()) if source.exists() \
        else None
    return [*DEVICE_GUEST, *(found.group(1).split() if found else [])]


def guest_steps(args):
    for kernel in args.kernels:
        yield Step(f"device tests, Linux {kernel}", width=args.guests, jobs=[
            guest_job(f"guest-{kernel}/device/{path.name}", kernel,
                      device_options(path),
                      {str(path.relative_to(TOP)):
                       f"guest-{kernel}/device/{path.name}"}, guest_ops())
            for path in programs_in(TOP / "build/selftests/device")])
        if kernel not in full_kernels(args):
            continue
        lib = []
        for backend, options in LIB_GUESTS.items():
            label = f"guest-{kernel}/lib@{backend}"
            programs = {
                str(path.relative_to(TOP)): f"{label}/{path.name}"
                for path in library_tests()
                if (backend == "device" or by_environment(path))
                and args.wanted(f"{label}/{path.name}")}
            if programs:
                lib.append(guest_job(
                    label, kernel, options, programs,
                    {**guest_ops(), "HUGESPAN_BACKEND": backend}))
        yield Step(f"library tests on each backend, Linux {kernel}",
                   jobs=lib, width=args.guests)


def program_steps(args):
    runner = TOP / "selftests/programs/run"
    if not os.access(runner, os.X_OK):
        return
    yield Step("real programs on this machine", width=args.jobs, jobs=[
        job(f"programs/host@{backend}", [runner, "--backend", backend],
            timeout_s=1200) for backend in HOST_BACKENDS])
    if not args.quick:
        yield Step("real programs on the device", width=args.guests, jobs=[
            job(f"programs/guest-{kernel}@device",
                [runner, "--backend", "device", "--required",
                 "--guest-kernel", kernel],
                timeout_s=2400) for kernel in full_kernels(args)])


def all_steps(args):
    yield from setup_steps(args)
    yield from missing_steps(args)
    yield from build_steps(args)
    yield from lint_steps(args)
    yield from host_steps(args)
    yield from script_steps(args)
    yield from fuzz_steps(args)
    if not args.quick:
        yield from guest_steps(args)
    yield from program_steps(args)

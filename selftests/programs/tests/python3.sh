# SPDX-License-Identifier: MIT
#
# Python twice: with its own small-object allocator, which takes arenas from
# malloc, and with PYTHONMALLOC=malloc, where each object is one of ours.
# Threads, forked workers and subprocesses share and hand on what it holds.

prepare() {
	[[ -x /usr/bin/python3 ]] || skip "Debian's python3 is not installed"
	cat >work.py <<'PYTHON'
import collections, hashlib, io, json, multiprocessing, os, queue, random
import re, subprocess, sys, threading, zlib

count = int(sys.argv[1])
rng = random.Random(4711)


def digest(value):
    return hashlib.sha256(repr(value).encode()).hexdigest()[:24]


def tables():
    table = {}
    for turn in range(3):
        for i in range(count):
            table[f"key{i}"] = [turn, "x" * rng.randrange(300), i]
        for i in range(0, count, 3):
            table.pop(f"key{rng.randrange(count)}", None)
    print("tables", len(table), digest(sorted(table.items())))
    return table


def documents(table):
    text = json.dumps(table, sort_keys=True)
    back = json.loads(text)
    print("json", len(text), back == table,
          digest(json.dumps(back, indent=1, sort_keys=True)))
    packed = zlib.compress(text.encode(), 6)
    print("zlib", len(packed), zlib.decompress(packed) == text.encode())
    words = collections.Counter(re.findall(r"\w+\d", text))
    print("re", len(words), digest(sorted(words.items())))


def buffers():
    grown = bytearray()
    for i in range(count):
        grown += b"%d," % i
        if i % 1000 == 999:
            del grown[:500]
    lines = io.StringIO()
    for i in range(count):
        print(i, file=lines)
    print("buffers", hashlib.sha256(grown).hexdigest()[:24],
          digest(lines.getvalue()))


def threads():
    # Each makes strings that another drops: frees far from their malloc.
    todo, done = queue.Queue(), queue.Queue()

    def work():
        for start in iter(todo.get, None):
            done.put((start, [str(start + i) * 5 for i in range(200)]))

    pool = [threading.Thread(target=work) for _ in range(4)]
    for thread in pool:
        thread.start()
    starts = range(0, count * 20, 2000)
    for start in starts:
        todo.put(start)
    for _ in pool:
        todo.put(None)
    got = sorted(done.get(timeout=60) for _ in starts)
    for thread in pool:
        thread.join(60)
    print("threads", len(got), digest(got))


def child(args):
    shared, part = args
    value = digest(sorted((k, v) for k, v in shared.items()
                          if zlib.crc32(k.encode()) % 4 == part))
    shared.clear()
    return part, value


def processes(table):
    context = multiprocessing.get_context("fork")
    small = {k: v for k, v in table.items() if k.endswith("7")}
    with context.Pool(2) as pool:
        print("pool", pool.map(child, [(small, part) for part in range(4)]))
    # A raw fork: the child uses all of what the parent had.
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        for key in list(table):
            table[key] = None
        os.write(writer, digest(sorted(table)).encode())
        os._exit(7)
    os.close(writer)
    table["parent"] = [0, "was here", 0]
    told = b""
    while part := os.read(reader, 4096):
        told += part
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    print("fork", told.decode(), status, digest(sorted(table.items())))
    code = "import sys; print(sum(map(int, sys.stdin)))"
    done = subprocess.run([sys.executable, "-c", code], check=True, text=True,
                          input="\n".join(map(str, range(1000))),
                          stdout=subprocess.PIPE)
    print("subprocess", done.stdout.strip())


everything = tables()
documents(everything)
buffers()
threads()
processes(everything)
PYTHON
}

run() {
	export PYTHONHASHSEED=0 PYTHONDONTWRITEBYTECODE=1
	hs /usr/bin/python3 "$HS_DATA/work.py" $((1000 * SCALE))
	hs PYTHONMALLOC=malloc /usr/bin/python3 "$HS_DATA/work.py" \
		$((1000 * SCALE))
}

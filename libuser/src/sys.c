// SPDX-License-Identifier: MIT
/*
 * The system underneath (sys.h): system calls, memory, files, environment.
 *
 * Everything here runs before main, in atfork handlers and in children of
 * threaded processes: no malloc, no stdio, no lock, errno as it was.
 */
#include "sys.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/prctl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

_Static_assert(sizeof(long) == 8, "mmap offsets and pointers travel as long");

/* Warnings a process may print before the rest are kept back. */
#define HS_MAX_WARNINGS 8

extern char **environ;

long hs_sys_call(long nr, long a, long b, long c, long d, long e, long f)
{
	int saved = errno;
	long ret = syscall(nr, a, b, c, d, e, f);

	if (ret == -1) {
		ret = -errno;
		errno = saved;
	}
	return ret;
}

void *hs_sys_mmap(void *addr, size_t bytes, int prot, int flags, int fd,
		  uint64_t offset, int *err)
{
	long ret = hs_sys_call(SYS_mmap, (long)addr, (long)bytes, prot, flags,
			       fd, (long)offset);

	*err = 0;
	if (ret < 0 && ret > -4096) {
		*err = (int)ret;
		return NULL;
	}
	return (void *)ret;
}

int hs_sys_madvise(void *addr, size_t bytes, int advice)
{
	return (int)hs_sys_call(SYS_madvise, (long)addr, (long)bytes, advice,
				0, 0, 0);
}

int hs_sys_open(const char *path, int flags)
{
	long fd;

	do {
		fd = hs_sys_call(SYS_openat, AT_FDCWD, (long)path,
				 flags | O_CLOEXEC, 0, 0, 0);
	} while (fd == -EINTR);
	return (int)fd;
}

void hs_sys_close(int fd)
{
	hs_sys_call(SYS_close, fd, 0, 0, 0, 0, 0);
}

int hs_sys_ioctl(int fd, unsigned long request, void *arg)
{
	return (int)hs_sys_call(SYS_ioctl, fd, (long)request, (long)arg,
				0, 0, 0);
}

size_t hs_sys_page_bytes(void)
{
	return getauxval(AT_PAGESZ);
}

/* Through libc: it reads the clock without a system call. */
uint64_t hs_sys_now_ns(void)
{
	struct timespec now = { 0 };

	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	return (uint64_t)now.tv_sec * UINT64_C(1000000000) +
	       (uint64_t)now.tv_nsec;
}

/* Needs CONFIG_ANON_VMA_NAME; a label in /proc/PID/maps is all it gives. */
static void name_mapping(void *addr, size_t bytes)
{
	hs_sys_call(SYS_prctl, PR_SET_VMA, PR_SET_VMA_ANON_NAME, (long)addr,
		    (long)bytes, (long)"hugespan", 0);
}

static void *map_aligned(size_t bytes, size_t align, int prot, int flags)
{
	size_t page = hs_sys_page_bytes();
	size_t slack = align > page ? align - page : 0;
	size_t total, head;
	char *raw, *base;
	int err;

	if (!bytes || bytes > SIZE_MAX / 2 || slack > SIZE_MAX / 4)
		return NULL;
	bytes = hs_align_up(bytes, page);
	total = bytes + slack;
	raw = hs_sys_mmap(NULL, total, prot,
			  MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0, &err);
	if (!raw)
		return NULL;
	if (!slack)
		return raw;
	base = (char *)hs_align_up((size_t)raw, align);
	head = (size_t)(base - raw);
	if (head)
		hs_sys_unmap(raw, head);
	if (slack - head)
		hs_sys_unmap(base + bytes, slack - head);
	return base;
}

void *hs_sys_map(size_t bytes, size_t align)
{
	void *addr = map_aligned(bytes, align, PROT_READ | PROT_WRITE, 0);

	if (addr)
		name_mapping(addr, bytes);
	return addr;
}

void *hs_sys_reserve(size_t bytes, size_t align)
{
	return map_aligned(bytes, align, PROT_NONE, MAP_NORESERVE);
}

/*
 * Cutting a piece out of a mapping can need one VMA more than the process may
 * have. The address range is then lost, its memory is not.
 */
void hs_sys_unmap(void *addr, size_t bytes)
{
	if (hs_sys_call(SYS_munmap, (long)addr, (long)bytes, 0, 0, 0, 0))
		hs_sys_madvise(addr, bytes, MADV_DONTNEED);
}

/* Read fd to its end: bytes read, -EFBIG if buf is too small, or -errno. */
static ssize_t read_to_end(int fd, char *buf, size_t size)
{
	size_t done = 0;

	while (done < size) {
		long n = hs_sys_call(SYS_read, fd, (long)(buf + done),
				     (long)(size - done), 0, 0, 0);

		if (n == -EINTR)
			continue;
		if (n < 0)
			return n;
		if (n == 0)
			return (ssize_t)done;
		done += (size_t)n;
	}
	return -EFBIG;
}

ssize_t hs_sys_read_file(const char *path, char *buf, size_t size)
{
	ssize_t n;
	int fd;

	if (!size)
		return -EINVAL;
	fd = hs_sys_open(path, O_RDONLY);
	if (fd < 0)
		return fd;
	n = read_to_end(fd, buf, size);
	hs_sys_close(fd);
	if (n >= 0)
		buf[n] = '\0';
	return n;
}

int hs_sys_text_field(const char *text, const char *key, uint64_t *out)
{
	const char *pos = text;
	uint64_t value = 0;

	/* Only at the start of a line: one key may end with another. */
	while ((pos = strstr(pos, key)) && pos != text && pos[-1] != '\n')
		pos++;
	if (!pos)
		return -ENOENT;
	pos += strlen(key);
	pos += strspn(pos, " \t");
	if (*pos < '0' || *pos > '9')
		return -ENOENT;
	for (; *pos >= '0' && *pos <= '9'; pos++)
		value = value * 10 + (uint64_t)(*pos - '0');
	*out = value;
	return 0;
}

int hs_sys_write_all(int fd, const char *buf, size_t len)
{
	while (len) {
		long n = hs_sys_call(SYS_write, fd, (long)buf, (long)len,
				     0, 0, 0);

		if (n == -EINTR)
			continue;
		if (n < 0)
			return (int)n;
		buf += n;
		len -= (size_t)n;
	}
	return 0;
}

/* Point at each string of a block of NUL-ended ones; returns how many. */
static size_t index_strings(char *block, size_t len, char **out)
{
	size_t count = 0, pos = 0;

	while (pos < len) {
		if (out)
			out[count] = block + pos;
		count++;
		pos += strlen(block + pos) + 1;
	}
	if (out)
		out[count] = NULL;
	return count;
}

/*
 * /proc/self/environ as an array of strings, or NULL. The kernel shows the
 * stack of the new program, so this works before libc has run.
 */
static char **read_environ(void)
{
	/* The kernel takes no more than a quarter of the stack's limit. */
	const size_t max_bytes = (size_t)16 << 20;
	char **index = NULL;
	char *block = NULL;
	ssize_t len = -EFBIG;
	size_t size, count;

	for (size = 1 << 16; len == -EFBIG && size <= max_bytes; size *= 4) {
		block = hs_sys_map(size, 0);
		if (!block)
			return NULL;
		len = hs_sys_read_file("/proc/self/environ", block, size);
		if (len < 0)
			hs_sys_unmap(block, size);
	}
	if (len < 0)
		return NULL;
	count = index_strings(block, (size_t)len, NULL);
	index = hs_sys_map((count + 1) * sizeof(*index), 0);
	if (index)
		index_strings(block, (size_t)len, index);
	return index;
}

/*
 * Read once and kept for good, since callers hold pointers into it. Of two
 * threads that come at once the second's copy is left unused.
 */
static char *const *initial_environ(void)
{
	static char **kept;
	static char *none[1];
	char **mine, **expected = NULL;

	mine = __atomic_load_n(&kept, __ATOMIC_ACQUIRE);
	if (mine)
		return mine;
	mine = read_environ();
	if (!mine)
		return none;
	if (!__atomic_compare_exchange_n(&kept, &expected, mine, false,
					 __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
		return expected;
	return mine;
}

char *const *hs_sys_environ(void)
{
	static char *none[1];

	if (getauxval(AT_SECURE))
		return none;
	return environ ? environ : initial_environ();
}

const char *hs_sys_getenv(const char *name)
{
	size_t len = strlen(name);

	for (char *const *entry = hs_sys_environ(); *entry; entry++)
		if (!strncmp(*entry, name, len) && (*entry)[len] == '=')
			return *entry + len + 1;
	return NULL;
}

/* "hugespan: TEXT\n" in one write, so that lines of processes do not mix. */
static void print_line(const char *fmt, va_list ap)
{
	static const char prefix[] = "hugespan: ";
	const size_t start = sizeof(prefix) - 1;
	char line[512];
	size_t room = sizeof(line) - start - 1;
	size_t len;

	memcpy(line, prefix, start);
	len = (size_t)hs_sys_vformat(line + start, room, fmt, ap);
	if (len >= room)
		len = room - 1;
	line[start + len] = '\n';
	hs_sys_write_all(STDERR_FILENO, line, start + len + 1);
}

void (*hs_sys_on_die)(void);

void hs_sys_die(const char *fmt, ...)
{
	va_list ap;

	if (hs_sys_on_die)
		hs_sys_on_die();

	va_start(ap, fmt);
	print_line(fmt, ap);
	va_end(ap);
	abort();
}

static void print_last_line(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	print_line(fmt, ap);
	va_end(ap);
}

void hs_sys_warn(const char *fmt, ...)
{
	static unsigned int printed;
	unsigned int nr = __atomic_fetch_add(&printed, 1, __ATOMIC_RELAXED);
	va_list ap;

	if (nr >= HS_MAX_WARNINGS) {
		if (nr == HS_MAX_WARNINGS)
			print_last_line("further warnings are not shown");
		return;
	}
	va_start(ap, fmt);
	print_line(fmt, ap);
	va_end(ap);
}

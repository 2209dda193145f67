/* SPDX-License-Identifier: MIT */
/*
 * The system underneath: the few system calls the library makes, in forms
 * that return 0 or -errno, never touch errno, never call malloc, and can be
 * used before main and between fork and exec.
 */
#ifndef HS_SYS_H
#define HS_SYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdarg.h>
#include <sys/types.h>

#define HS_HIDDEN __attribute__((visibility("hidden")))
#define HS_EXPORT __attribute__((visibility("default")))
#define hs_likely(x) __builtin_expect(!!(x), 1)
#define hs_unlikely(x) __builtin_expect(!!(x), 0)
#define HS_NOINLINE __attribute__((noinline))
#define HS_COLD __attribute__((cold, noinline))

#pragma GCC visibility push(hidden)

/*
 * A raw system call: its result, or -errno. Not through libc's wrappers, which
 * another preloaded library may have replaced.
 */
long hs_sys_call(long nr, long a, long b, long c, long d, long e, long f);
/* The address, or NULL with *err = -errno. */
void *hs_sys_mmap(void *addr, size_t bytes, int prot, int flags, int fd,
		  uint64_t offset, int *err);
int hs_sys_madvise(void *addr, size_t bytes, int advice);
/* Close-on-exec always. */
int hs_sys_open(const char *path, int flags);
void hs_sys_close(int fd);
int hs_sys_ioctl(int fd, unsigned long request, void *arg);
size_t hs_sys_page_bytes(void);
/* Time that only goes on, in steps of some milliseconds. */
uint64_t hs_sys_now_ns(void);

/*
 * Anonymous private memory, readable, writable and zero; NULL without room.
 * With align (a power of two, 0 for any) the address is a multiple of it.
 * A reserve has no access rights yet and counts for no commit limit.
 */
void *hs_sys_map(size_t bytes, size_t align);
void *hs_sys_reserve(size_t bytes, size_t align);
void hs_sys_unmap(void *addr, size_t bytes);

/* Whole text files of /proc and /sys: bytes read (NUL added), or -errno. */
ssize_t hs_sys_read_file(const char *path, char *buf, size_t size);
/* The number after KEY ("Threads:") in such a text, or -ENOENT. */
int hs_sys_text_field(const char *text, const char *key, uint64_t *out);
/* Write all of it, through EINTR and short writes: 0 or -errno. */
int hs_sys_write_all(int fd, const char *buf, size_t len);

/*
 * The environment, also before libc has set environ (then as the process was
 * started with it): the value, or NULL. Setuid programs are shown none. A
 * string lives until the program changes its environment: copy what is kept.
 */
const char *hs_sys_getenv(const char *name);
/* All of it: "NAME=value" strings, ended by NULL; never NULL itself. */
char *const *hs_sys_environ(void);

/* vsnprintf for %s %d %u %ld %lu %zu %zx %llu %lx %llx %p %c %%, and widths: no
 * malloc, no locale, no floating point. Returns the length without truncation. */
int hs_sys_vformat(char *buf, size_t size, const char *fmt, va_list ap);
int hs_sys_format(char *buf, size_t size, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/*
 * One line "hugespan: ..." on stderr, then abort. Locks may be held: what
 * hs_sys_on_die names is called first, so that a handler of SIGABRT that
 * allocates does not wait for them for ever.
 */
extern void (*hs_sys_on_die)(void);
void hs_sys_die(const char *fmt, ...)
	__attribute__((format(printf, 1, 2), noreturn, cold));
/* One line "hugespan: ..." on stderr; kept to a few a process. */
void hs_sys_warn(const char *fmt, ...)
	__attribute__((format(printf, 1, 2), cold));

static inline size_t hs_align_up(size_t value, size_t align)
{
	return (value + align - 1) & ~(align - 1);
}

static inline bool hs_is_pow2(size_t value)
{
	return value && !(value & (value - 1));
}

#pragma GCC visibility pop

#endif /* HS_SYS_H */

/* SPDX-License-Identifier: MIT */
/*
 * Reading what the system says of itself: /proc, /sys, /dev, /etc.
 *
 * Every path goes through here, because HUGESPAN_TEST_SYSROOT, when it is set,
 * is put before it: the tests make a small tree of files there and see what
 * the command says of a system that this machine is not. It has no other use,
 * and with it set the command changes nothing.
 */
#ifndef CLI_SYSROOT_H
#define CLI_SYSROOT_H

#include <dirent.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* Is this a made-up system? */
bool sys_is_fake(void);

/* The path, with HUGESPAN_TEST_SYSROOT before it. Returns buf. */
const char *sys_path(char buf[PATH_MAX], const char *format, ...)
	__attribute__((format(printf, 2, 3)));
bool sys_exists(const char *format, ...)
	__attribute__((format(printf, 1, 2)));
FILE *sys_open(const char *format, ...)
	__attribute__((format(printf, 1, 2)));
DIR *sys_opendir(const char *format, ...)
	__attribute__((format(printf, 1, 2)));

/*
 * The whole of a small file, without the white space at its end. 0 or -errno;
 * buf is always a string. What does not fit is left out.
 */
int sys_read(char *buf, size_t size, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* A number in a file. 0, -errno, or -EINVAL when it holds something else. */
int sys_read_i64(int64_t *out, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
int sys_read_u64(uint64_t *out, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* The release of the running kernel (of the made-up one: its osrelease). */
const char *sys_kernel_release(void);

/* The path of the device, as the library has it, without the sysroot. */
const char *sys_device_path(void);

#endif /* CLI_SYSROOT_H */

// SPDX-License-Identifier: MIT
/* Reading what the system says of itself, below HUGESPAN_TEST_SYSROOT. */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <linux/hugespan.h>

#include "sysroot.h"

static const char *sysroot(void)
{
	const char *root = getenv("HUGESPAN_TEST_SYSROOT");

	return root ? root : "";
}

bool sys_is_fake(void)
{
	return *sysroot() != '\0';
}

__attribute__((format(printf, 2, 0)))
static const char *vpath(char buf[PATH_MAX], const char *format, va_list ap)
{
	int len = snprintf(buf, PATH_MAX, "%s", sysroot());

	if (len < PATH_MAX)
		vsnprintf(buf + len, PATH_MAX - len, format, ap);
	return buf;
}

const char *sys_path(char buf[PATH_MAX], const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vpath(buf, format, ap);
	va_end(ap);
	return buf;
}

bool sys_exists(const char *format, ...)
{
	char path[PATH_MAX];
	va_list ap;

	va_start(ap, format);
	vpath(path, format, ap);
	va_end(ap);
	return access(path, F_OK) == 0;
}

FILE *sys_open(const char *format, ...)
{
	char path[PATH_MAX];
	va_list ap;

	va_start(ap, format);
	vpath(path, format, ap);
	va_end(ap);
	return fopen(path, "re");
}

DIR *sys_opendir(const char *format, ...)
{
	char path[PATH_MAX];
	va_list ap;

	va_start(ap, format);
	vpath(path, format, ap);
	va_end(ap);
	return opendir(path);
}

__attribute__((format(printf, 3, 0)))
static int vread(char *buf, size_t size, const char *format, va_list ap)
{
	char path[PATH_MAX];
	size_t len;
	FILE *file;
	int err;

	buf[0] = '\0';
	file = fopen(vpath(path, format, ap), "re");
	if (!file)
		return -errno;
	len = fread(buf, 1, size - 1, file);
	err = ferror(file) ? -errno : 0;
	fclose(file);
	while (len && strchr(" \t\n", buf[len - 1]))
		len--;
	buf[len] = '\0';
	return err;
}

int sys_read(char *buf, size_t size, const char *format, ...)
{
	va_list ap;
	int err;

	va_start(ap, format);
	err = vread(buf, size, format, ap);
	va_end(ap);
	return err;
}

__attribute__((format(printf, 2, 0)))
static int vread_i64(int64_t *out, const char *format, va_list ap)
{
	char buf[64], *end;
	int err = vread(buf, sizeof(buf), format, ap);

	if (err)
		return err;
	errno = 0;
	*out = strtoll(buf, &end, 10);
	return errno || end == buf || *end ? -EINVAL : 0;
}

int sys_read_i64(int64_t *out, const char *format, ...)
{
	va_list ap;
	int err;

	va_start(ap, format);
	err = vread_i64(out, format, ap);
	va_end(ap);
	return err;
}

int sys_read_u64(uint64_t *out, const char *format, ...)
{
	int64_t value;
	va_list ap;
	int err;

	va_start(ap, format);
	err = vread_i64(&value, format, ap);
	va_end(ap);
	if (!err && value < 0)
		err = -EINVAL;
	if (!err)
		*out = value;
	return err;
}

const char *sys_kernel_release(void)
{
	static char release[128];

	if (!release[0])
		sys_read(release, sizeof(release),
			 "/proc/sys/kernel/osrelease");
	return release;
}

const char *sys_device_path(void)
{
	const char *path = getenv("HUGESPAN_DEVICE");

	return path && *path ? path : HUGESPAN_DEVICE;
}

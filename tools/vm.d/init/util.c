// SPDX-License-Identifier: MIT
/*
 * Small things of the guests' init: telling the host, time, files.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/reboot.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "init.h"

#define DEVICE_WAIT_MS	20000	/* for a disk or port to appear */

int control_port = -1;

void tell(const char *fmt, ...)
{
	char line[256];
	va_list args;
	int len;

	va_start(args, fmt);
	len = vsnprintf(line, sizeof(line), fmt, args);
	va_end(args);
	if (len >= (int)sizeof(line))
		len = sizeof(line) - 1;
	if (control_port >= 0 && write(control_port, line, len) == len)
		return;
	fprintf(stderr, "init: %s", line);
}

void power_off(void)
{
	sync();
	reboot(LINUX_REBOOT_CMD_RESTART);	/* QEMU runs with -no-reboot */
	for (;;)
		pause();
}

void fail(const char *what)
{
	tell("fail %s: %s\n", what, strerror(errno));
	power_off();
}

void sleep_ms(long ms)
{
	struct timespec ts = { ms / 1000, (ms % 1000) * 1000000 };

	nanosleep(&ts, NULL);
}

long now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

void wait_for(const char *path)
{
	long end = now_ms() + DEVICE_WAIT_MS;

	while (access(path, F_OK)) {
		if (now_ms() > end)
			fail(path);
		sleep_ms(5);
	}
}

char *read_file(const char *path, size_t *len)
{
	struct stat st;
	char *text;
	int fd;

	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st))
		fail(path);
	text = calloc(1, st.st_size + 1);
	if (!text || read(fd, text, st.st_size) != st.st_size)
		fail(path);
	close(fd);
	if (len)
		*len = st.st_size;
	return text;
}

void write_number(const char *path, unsigned long number)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || dprintf(fd, "%lu\n", number) < 0)
		fail(path);
	close(fd);
}

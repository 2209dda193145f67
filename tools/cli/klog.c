// SPDX-License-Identifier: MIT
/* The kernel log, from a moment on. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "klog.h"

int klog_open(void)
{
	int fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);

	if (fd >= 0 && lseek(fd, 0, SEEK_END) < 0) {
		close(fd);
		fd = -1;
	}
	return fd;
}

int klog_print(int fd)
{
	char record[8192], *text;
	ssize_t len;
	int nr = 0;

	if (fd < 0)
		return 0;
	/* A read is one record: "priority,number,time,flags;text\n...". */
	for (;;) {
		len = read(fd, record, sizeof(record) - 1);
		if (len < 0 && (errno == EPIPE || errno == EINTR))
			continue;	/* EPIPE: some were overwritten */
		if (len <= 0)
			break;
		record[len] = '\0';
		text = strchr(record, ';');
		if (!text || strncmp(text + 1, "hugespan: ", 10) != 0)
			continue;
		text[strcspn(text, "\n")] = '\0';
		fprintf(stderr, "  kernel: %s\n", text + 1);
		nr++;
	}
	close(fd);
	return nr;
}

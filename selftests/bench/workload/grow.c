// SPDX-License-Identifier: MIT
/*
 * Buffers that double by realloc, as arrays and strings do. The last byte is
 * written each time. More than one at a time stand in each other's way.
 */
#include <stdlib.h>

#include "workload.h"

#define FIRST_BYTES 16
#define BUFFERS_MAX 8

static size_t last_bytes;
static unsigned int buffers_nr;

void grow_setup(char **args)
{
	last_bytes = number(args, 0);
	buffers_nr = number(args, 1);
	if (buffers_nr < 1 || buffers_nr > BUFFERS_MAX)
		die("1 to 8 buffers");
}

uint64_t grow_run(uint64_t n)
{
	char *buffers[BUFFERS_MAX] = { 0 };
	uint64_t ops = 0;

	for (uint64_t round = 0; round < n; round++) {
		for (size_t bytes = FIRST_BYTES; bytes <= last_bytes; bytes *= 2) {
			for (unsigned int i = 0; i < buffers_nr; i++) {
				buffers[i] = realloc(buffers[i], bytes);
				use(buffers[i] + bytes - 1);
				ops++;
			}
		}
		for (unsigned int i = 0; i < buffers_nr; i++) {
			free(buffers[i]);
			buffers[i] = NULL;
		}
	}
	return ops;
}

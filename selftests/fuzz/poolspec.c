// SPDX-License-Identifier: MIT
/*
 * A fuzzer for the text of pool=: what is taken must come out the same when it
 * is written down and read again.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "poolspec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void write_down(const struct poolspec *spec, char *text, size_t room)
{
	size_t len = 0;
	uint32_t i;

	if (!spec->nr_nodes)
		snprintf(text, room, "%" PRIu64, spec->bytes[0]);
	for (i = 0; i < spec->nr_nodes; i++)
		len += (size_t)snprintf(text + len, room - len,
					"%s%u:%" PRIu64, i ? "," : "",
					spec->node[i], spec->bytes[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static char text[POOLSPEC_MAX_NODES * 32];
	struct poolspec spec, again;
	const char *reason = NULL;
	char *input = malloc(len + 1);
	int err;

	memcpy(input, data, len);
	input[len] = '\0';
	err = poolspec_parse(input, &spec, &reason);
	free(input);
	if (err) {
		if (err != -EINVAL || !reason)
			abort();
		return 0;
	}
	write_down(&spec, text, sizeof(text));
	if (poolspec_parse(text, &again, &reason) ||
	    memcmp(&spec, &again, sizeof(spec)))
		abort();
	return 0;
}

// SPDX-License-Identifier: MIT
/* The module's parameter pool=. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "poolarg.h"
#include "text.h"

/* "N:" before a size; the node, or -1 where there is none. */
static int parse_node(const char **text)
{
	size_t digits = strspn(*text, "0123456789");
	int node;

	if (digits == 0 || digits > 4 || (*text)[digits] != ':')
		return -1;
	node = atoi(*text);
	*text += digits + 1;
	return node;
}

int pool_arg_check(const char *text, uint64_t *bytes, char *why,
		   size_t why_size)
{
	const char *at = text;
	uint64_t size;
	int node, err;

	*bytes = 0;
	for (;;) {
		node = parse_node(&at);
		err = text_parse_bytes(at, &size, &at);
		if (err == -ERANGE || size > INT64_MAX - *bytes) {
			snprintf(why, why_size, "'%s' is too large", text);
			return -EINVAL;
		}
		if (err || (*at && *at != ',')) {
			snprintf(why, why_size, "'%s' is neither a size (512M,"
				 " 2G) nor sizes by node (0:512M,1:256M)",
				 text);
			return -EINVAL;
		}
		*bytes += size;
		if (!*at)
			break;
		if (node < 0 || parse_node(&(const char *){ at + 1 }) < 0) {
			snprintf(why, why_size, "'%s': every size of a list"
				 " needs its node (0:512M,1:256M)", text);
			return -EINVAL;
		}
		at++;
	}
	if (*bytes == 0) {
		snprintf(why, why_size, "'%s' is no memory at all", text);
		return -EINVAL;
	}
	return 0;
}

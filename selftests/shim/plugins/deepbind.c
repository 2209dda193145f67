// SPDX-License-Identifier: MIT
/* A plugin that allocates what its host frees, and the reverse. */
#include <stdlib.h>

void *plugin_alloc(size_t size);
void plugin_free(void *ptr);

void *plugin_alloc(size_t size)
{
	return malloc(size);
}

void plugin_free(void *ptr)
{
	free(ptr);
}

/* SPDX-License-Identifier: MIT */
/*
 * Allocation that does not come back empty-handed: the command says so and
 * exits. What it returns is freed with free().
 */
#ifndef CLI_ALLOC_H
#define CLI_ALLOC_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

void *xcalloc(size_t nr, size_t size);
void *xrealloc(void *ptr, size_t size);
char *xstrdup(const char *text);
char *xasprintf(const char *format, ...)
	__attribute__((format(printf, 1, 2)));
char *xvasprintf(const char *format, va_list ap)
	__attribute__((format(printf, 1, 0)));

#endif /* CLI_ALLOC_H */

/* SPDX-License-Identifier: MIT */
/*
 * What the malloc family answers, as a table: one row a call. A row is run
 * against a family of functions and tells, in a line, all a caller may rely
 * on: a pointer or NULL, errno, alignment, zeroes, contents. The C library's
 * own answers are the specification: the lines must be equal.
 */
#ifndef SELFTEST_MALLOC_TABLE_H
#define SELFTEST_MALLOC_TABLE_H

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "pattern.h"

struct family {
	void *(*malloc)(size_t size);
	void (*free)(void *ptr);
	void *(*calloc)(size_t nmemb, size_t size);
	void *(*realloc)(void *ptr, size_t size);
	void *(*reallocarray)(void *ptr, size_t nmemb, size_t size);
	void *(*memalign)(size_t alignment, size_t size);
	void *(*aligned_alloc)(size_t alignment, size_t size);
	int (*posix_memalign)(void **out, size_t alignment, size_t size);
	void *(*valloc)(size_t size);		/* these two may be NULL */
	void *(*pvalloc)(size_t size);
	size_t (*usable_size)(void *ptr);
};

#define NO_ERRNO 7777
#define HALF ((size_t)1 << 63)
#define CONTENT_BYTES 96	/* what the rows of realloc look after */

/* Sizes and alignments; through volatile, so that no compiler knows better. */
static volatile const size_t table_sizes[] = {
	0, 1, 8, 15, 16, 17, 24, 100, 128, 129, 1000, 4095, 4096, 4097, 8192,
	100000, 131072, 262143, 262144, 262145, 1000000, 2097152, 5000001,
	(size_t)1 << 46, PTRDIFF_MAX - 65536, PTRDIFF_MAX - 8192,
	PTRDIFF_MAX - 4096, PTRDIFF_MAX - 1, PTRDIFF_MAX, HALF, HALF + 1,
	SIZE_MAX - 65536, SIZE_MAX - 8192, SIZE_MAX - 4096, SIZE_MAX - 16,
	SIZE_MAX - 1, SIZE_MAX,
};

static volatile const size_t table_alignments[] = {
	0, 1, 2, 3, 4, 7, 8, 9, 15, 16, 17, 24, 32, 48, 64, 100, 128, 1000,
	1024, 4095, 4096, 4097, 8192, 12288, 16384, 65536, 1048576, 2097152,
	3000000, 4194304, 33554432, (size_t)1 << 46, HALF >> 1,
	HALF - 1, HALF, HALF + 1, SIZE_MAX,
};

static volatile const struct { size_t nmemb, size; } table_products[] = {
	{ 0, 0 }, { 0, 1 }, { 1, 0 }, { 0, SIZE_MAX }, { SIZE_MAX, 0 },
	{ 1, 1 }, { 3, 5 }, { 1, 100000 }, { 1000, 300 }, { 1, 3000000 },
	{ 1, PTRDIFF_MAX }, { PTRDIFF_MAX, 1 }, { 2, HALF >> 1 },
	{ 1, SIZE_MAX }, { SIZE_MAX, 1 }, { 2, HALF }, { HALF, 2 },
	{ (size_t)1 << 32, (size_t)1 << 32 }, { SIZE_MAX, SIZE_MAX },
	{ ((size_t)1 << 32) + 1, (size_t)1 << 32 }, { 3, SIZE_MAX / 3 + 1 },
	{ SIZE_MAX / 2 + 1, 2 }, { 16, SIZE_MAX / 16 + 1 },
};

#define NR_SIZES (sizeof(table_sizes) / sizeof(table_sizes[0]))
#define NR_ALIGNMENTS (sizeof(table_alignments) / sizeof(table_alignments[0]))
#define NR_PRODUCTS (sizeof(table_products) / sizeof(table_products[0]))

/* ---- one answer ---------------------------------------------------------- */

struct answer {
	char *text;
	size_t size, len;
};

HELPER void say(struct answer *a, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

HELPER void say(struct answer *a, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	if (a->len < a->size)
		a->len += (size_t)vsnprintf(a->text + a->len, a->size - a->len,
					    fmt, ap);
	va_end(ap);
}

/* A pointer to be had: aligned, and as large as it was asked for. */
HELPER void say_pointer(struct answer *a, const struct family *f, void *ptr,
			size_t align, size_t size)
{
	if (!ptr) {
		say(a, " NULL errno %d", errno);
		return;
	}
	say(a, " pointer%s%s", errno == NO_ERRNO ? "" : " and errno",
	    (uintptr_t)ptr % (align < 16 ? 16 : align) ? " misaligned" : "");
	if (f->usable_size(ptr) < size)
		say(a, " too small");
	/* All of it is there: write its ends. */
	if (size) {
		((volatile char *)ptr)[0] = 1;
		((volatile char *)ptr)[size - 1] = 1;
	}
}

HELPER size_t round_up_alignment(size_t align)
{
	size_t p = 16;

	while (p < align && p < HALF)
		p *= 2;
	return p;
}

/* ---- the rows ------------------------------------------------------------ */

HELPER void rows_of_malloc(const struct family *f, struct answer *a)
{
	void *ptr, *other;
	size_t i;

	for (i = 0; i < NR_SIZES; i++) {
		errno = NO_ERRNO;
		ptr = f->malloc(table_sizes[i]);
		say(a, "malloc(%zu):", table_sizes[i]);
		say_pointer(a, f, ptr, 16, table_sizes[i]);
		errno = NO_ERRNO;
		f->free(ptr);
		say(a, "; free: errno %d\n", errno);
	}
	ptr = f->malloc(0);
	other = f->malloc(0);
	say(a, "malloc(0) twice: %s\n", ptr && other && ptr != other ?
	    "two pointers" : "not two pointers");
	f->free(ptr);
	f->free(other);
	f->free(NULL);
	say(a, "usable(NULL): %zu\n", f->usable_size(NULL));
}

HELPER void rows_of_calloc(const struct family *f, struct answer *a)
{
	size_t i, bytes;
	void *ptr;

	for (i = 0; i < NR_PRODUCTS; i++) {
		bytes = table_products[i].nmemb * table_products[i].size;
		errno = NO_ERRNO;
		ptr = f->calloc(table_products[i].nmemb,
				table_products[i].size);
		say(a, "calloc(%zu, %zu):", table_products[i].nmemb,
		    table_products[i].size);
		say_pointer(a, f, ptr, 16, bytes);
		if (ptr && bytes > 2 &&
		    nonzero_at((char *)ptr + 1, bytes - 2) >= 0)
			say(a, " not zero");
		say(a, "\n");
		f->free(ptr);
	}
}

/* Was what ptr holds moved along, or left in peace? */
HELPER void say_content(struct answer *a, const void *ptr, size_t size,
			const char *name)
{
	if (size > CONTENT_BYTES)
		size = CONTENT_BYTES;
	say(a, " %s %s", name, pattern_differs(ptr, size & ~(size_t)7, 9) < 0 ?
	    "kept" : "lost");
}

HELPER void rows_of_realloc(const struct family *f, struct answer *a,
			    size_t from)
{
	size_t i;

	for (i = 0; i < NR_SIZES; i++) {
		size_t size = table_sizes[i];
		char *ptr = f->malloc(from), *moved;

		pattern_fill(ptr, CONTENT_BYTES, 9);
		errno = NO_ERRNO;
		moved = f->realloc(ptr, size);
		say(a, "realloc(%zu -> %zu):", from, size);
		if (moved) {
			say_content(a, moved, size < from ? size : from,
				    "content");
			say_pointer(a, f, moved, 16, size);
		} else {
			say_pointer(a, f, moved, 16, size);
		}
		if (!moved && size) {
			say_content(a, ptr, from, "original");
			f->free(ptr);
		}
		f->free(moved);
		say(a, "\n");
	}
	errno = NO_ERRNO;
	say(a, "realloc(NULL, %zu):", from);
	say_pointer(a, f, f->realloc(NULL, from), 16, from);	/* is lost */
	say(a, "\n");
}

HELPER void rows_of_reallocarray(const struct family *f, struct answer *a)
{
	size_t i;

	for (i = 0; i < NR_PRODUCTS; i++) {
		size_t nmemb = table_products[i].nmemb;
		size_t size = table_products[i].size;
		char *ptr = f->malloc(CONTENT_BYTES), *moved;

		pattern_fill(ptr, CONTENT_BYTES, 9);
		errno = NO_ERRNO;
		moved = f->reallocarray(ptr, nmemb, size);
		say(a, "reallocarray(%zu, %zu):", nmemb, size);
		if (moved)
			say_content(a, moved, nmemb * size, "content");
		say_pointer(a, f, moved, 16, nmemb * size);
		if (!moved && nmemb && size) {
			say_content(a, ptr, CONTENT_BYTES, "original");
			f->free(ptr);
		}
		f->free(moved);
		say(a, "\n");
	}
}

HELPER void row_of_alignment(const struct family *f, struct answer *a,
			     size_t align, size_t size)
{
	void *ptr = (void *)16;
	int err;

	errno = NO_ERRNO;
	ptr = f->memalign(align, size);
	say(a, "memalign(%zu, %zu):", align, size);
	say_pointer(a, f, ptr, round_up_alignment(align), size);
	errno = NO_ERRNO;
	f->free(ptr);
	say(a, "; free: errno %d\n", errno);

	errno = NO_ERRNO;
	ptr = f->aligned_alloc(align, size);
	say(a, "aligned_alloc(%zu, %zu):", align, size);
	say_pointer(a, f, ptr, round_up_alignment(align), size);
	f->free(ptr);

	ptr = (void *)16;
	err = f->posix_memalign(&ptr, align, size);
	say(a, "\nposix_memalign(%zu, %zu): %d", align, size, err);
	if (err) {
		say(a, ptr == (void *)16 ? " out as it was" : " out changed");
	} else {
		errno = NO_ERRNO;
		say_pointer(a, f, ptr, align, size);
		f->free(ptr);
	}
	say(a, "\n");
}

HELPER void rows_of_alignment(const struct family *f, struct answer *a)
{
	size_t i, j;

	for (i = 0; i < NR_ALIGNMENTS; i++)
		for (j = 0; j < NR_SIZES; j++)
			row_of_alignment(f, a, table_alignments[i],
					 table_sizes[j]);
}

HELPER void rows_of_valloc(const struct family *f, struct answer *a)
{
	size_t i, page = 4096;
	void *ptr;

	for (i = 0; i < NR_SIZES && f->valloc; i++) {
		size_t size = table_sizes[i];

		errno = NO_ERRNO;
		ptr = f->valloc(size);
		say(a, "valloc(%zu):", size);
		say_pointer(a, f, ptr, page, size);
		f->free(ptr);
		errno = NO_ERRNO;
		ptr = f->pvalloc(size);
		say(a, "\npvalloc(%zu):", size);
		say_pointer(a, f, ptr, page,
			    (size + page - 1) / page * page);
		f->free(ptr);
		say(a, "\n");
	}
}

/* All of it: a line a row, into text. */
HELPER void malloc_table(const struct family *f, char *text, size_t size)
{
	static const size_t from[] = { CONTENT_BYTES, 1000, 100000, 262144,
				       262145, 300000, 5000000 };
	struct answer a = { text, size, 0 };
	size_t i;

	text[0] = '\0';
	rows_of_malloc(f, &a);
	rows_of_calloc(f, &a);
	for (i = 0; i < sizeof(from) / sizeof(from[0]); i++)
		rows_of_realloc(f, &a, from[i]);
	rows_of_reallocarray(f, &a);
	rows_of_alignment(f, &a);
	rows_of_valloc(f, &a);
}

#endif /* SELFTEST_MALLOC_TABLE_H */

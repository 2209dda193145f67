// SPDX-License-Identifier: MIT
/*
 * jemalloc's own interface, over our heap. Programs that Debian links with
 * libjemalloc (Redis, for one) call it beside malloc: without this, what they
 * ask about the heap would be answered for jemalloc's empty one, a purge would
 * purge nothing, and a pointer from mallocx would be strange to our free.
 *
 * Semantics as jemalloc(3) gives them, written from that page. Arenas and
 * thread caches are accepted and ignored; the mib functions are not here. Of
 * mallctl, the names in the table: others are ENOENT.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "heap.h"
#include "hugespan.h"
#include "sys.h"

/* The flags of mallocx and its kin. */
#define LG_ALIGN_MASK 0x3f
#define FLAG_ZERO 0x40

HS_EXPORT void *mallocx(size_t size, int flags);
HS_EXPORT void *rallocx(void *ptr, size_t size, int flags);
HS_EXPORT size_t xallocx(void *ptr, size_t size, size_t extra, int flags);
HS_EXPORT size_t sallocx(const void *ptr, int flags);
HS_EXPORT void dallocx(void *ptr, int flags);
HS_EXPORT void sdallocx(void *ptr, size_t size, int flags);
HS_EXPORT size_t nallocx(size_t size, int flags);
HS_EXPORT int mallctl(const char *name, void *oldp, size_t *oldlenp, void *newp,
		      size_t newlen);
HS_EXPORT void malloc_stats_print(void (*write_cb)(void *, const char *),
				  void *opaque, const char *opts);

static size_t flags_align(int flags)
{
	return (size_t)1 << (flags & LG_ALIGN_MASK);
}

HS_EXPORT void *mallocx(size_t size, int flags)
{
	size_t align = flags_align(flags);
	void *ptr = align <= HS_MIN_ALIGN ? hs_heap_alloc(size) :
					    hs_heap_alloc_aligned(size, align);

	if (ptr && (flags & FLAG_ZERO))
		memset(ptr, 0, size);
	return ptr;
}

HS_EXPORT size_t sallocx(const void *ptr, int flags)
{
	(void)flags;
	return hs_heap_usable(ptr);
}

/* What is new is zeroed on request; on failure ptr stays as it is. */
HS_EXPORT void *rallocx(void *ptr, size_t size, int flags)
{
	size_t old = hs_heap_usable(ptr);
	void *moved;

	if (flags_align(flags) <= HS_MIN_ALIGN && !(flags & FLAG_ZERO) &&
	    hs_heap_resize(ptr, size))
		return ptr;
	moved = mallocx(size, flags);
	if (!moved)
		return NULL;
	memcpy(moved, ptr, old < size ? old : size);
	hs_heap_free(ptr);
	return moved;
}

/* In place or not at all: the size it has now. */
HS_EXPORT size_t xallocx(void *ptr, size_t size, size_t extra, int flags)
{
	size_t old = hs_heap_usable(ptr);

	if (size <= SIZE_MAX - extra && !hs_heap_resize(ptr, size + extra))
		hs_heap_resize(ptr, size);
	if ((flags & FLAG_ZERO) && hs_heap_usable(ptr) > old)
		memset((char *)ptr + old, 0, hs_heap_usable(ptr) - old);
	return hs_heap_usable(ptr);
}

HS_EXPORT void dallocx(void *ptr, int flags)
{
	(void)flags;
	hs_heap_free(ptr);
}

HS_EXPORT void sdallocx(void *ptr, size_t size, int flags)
{
	(void)size;
	dallocx(ptr, flags);
}

/* The size that mallocx(size, flags) would give; 0 if it could not. */
HS_EXPORT size_t nallocx(size_t size, int flags)
{
	unsigned int c = hs_size_to_class_aligned(size, flags_align(flags));

	if (c)
		return hs_size_classes[c].size;
	if (size > PTRDIFF_MAX - HS_PAGE_BYTES)
		return 0;
	return hs_align_up(size, HS_PAGE_BYTES);
}

/* ---- mallctl ------------------------------------------------------------- */

enum ctl_type { CTL_U64, CTL_SIZE, CTL_UNSIGNED, CTL_BOOL, CTL_STRING,
		CTL_VOID };

struct ctl {
	const char *name;
	enum ctl_type type;
	bool writable;
	/* The value; of CTL_VOID, the deed. */
	uint64_t (*get)(const struct hs_stats *st);
};

static uint64_t get_allocated(const struct hs_stats *st)
{
	return st->in_use_bytes;
}

/* Pages that hold objects in use, and what is lost among them. */
static uint64_t get_active(const struct hs_stats *st)
{
	return st->mapped_bytes - st->page_free_bytes;
}

static uint64_t get_mapped(const struct hs_stats *st)
{
	return st->mapped_bytes;
}

static uint64_t get_resident(const struct hs_stats *st)
{
	return st->mapped_bytes + st->meta_bytes;
}

static uint64_t get_metadata(const struct hs_stats *st)
{
	return st->meta_bytes;
}

static uint64_t get_zero(const struct hs_stats *st)
{
	(void)st;
	return 0;
}

static uint64_t get_one(const struct hs_stats *st)
{
	(void)st;
	return 1;
}

static uint64_t get_version(const struct hs_stats *st)
{
	(void)st;
	return (uintptr_t)"hugespan-" HS_VERSION;
}

static uint64_t do_release(const struct hs_stats *st)
{
	(void)st;
	return hs_release(0);
}

static const struct ctl ctls[] = {
	{ "version", CTL_STRING, false, get_version },
	{ "epoch", CTL_U64, true, get_one },
	{ "background_thread", CTL_BOOL, true, get_zero },
	{ "arenas.narenas", CTL_UNSIGNED, false, get_one },
	{ "arena.N.purge", CTL_VOID, false, do_release },
	{ "arena.N.decay", CTL_VOID, false, do_release },
	{ "thread.tcache.flush", CTL_VOID, false, get_zero },
	{ "stats.allocated", CTL_SIZE, false, get_allocated },
	{ "stats.active", CTL_SIZE, false, get_active },
	{ "stats.mapped", CTL_SIZE, false, get_mapped },
	{ "stats.resident", CTL_SIZE, false, get_resident },
	{ "stats.metadata", CTL_SIZE, false, get_metadata },
	{ "stats.retained", CTL_SIZE, false, get_zero },
};

/* An N in the pattern stands for any number. */
static bool name_matches(const char *pattern, const char *name)
{
	for (; *pattern; pattern++) {
		if (*pattern == 'N' && *name >= '0' && *name <= '9') {
			while (*name >= '0' && *name <= '9')
				name++;
		} else if (*name++ != *pattern) {
			return false;
		}
	}
	return !*name;
}

static const struct ctl *find_ctl(const char *name)
{
	size_t i;

	for (i = 0; i < sizeof(ctls) / sizeof(ctls[0]); i++)
		if (name_matches(ctls[i].name, name))
			return &ctls[i];
	return NULL;
}

static size_t type_bytes(enum ctl_type type)
{
	switch (type) {
	case CTL_U64:
		return sizeof(uint64_t);
	case CTL_SIZE:
		return sizeof(size_t);
	case CTL_UNSIGNED:
		return sizeof(unsigned int);
	case CTL_BOOL:
		return sizeof(bool);
	case CTL_STRING:
		return sizeof(const char *);
	case CTL_VOID:
		break;
	}
	return 0;
}

HS_EXPORT int mallctl(const char *name, void *oldp, size_t *oldlenp, void *newp,
		      size_t newlen)
{
	const struct ctl *ctl = find_ctl(name);
	struct hs_stats st = { .struct_size = sizeof(st) };
	size_t bytes;
	uint64_t value;

	if (!ctl)
		return ENOENT;
	bytes = type_bytes(ctl->type);
	if (newp && !ctl->writable)
		return EPERM;
	if (newp && newlen != bytes)
		return EINVAL;
	if (oldp && (!oldlenp || *oldlenp != bytes || ctl->type == CTL_VOID))
		return EINVAL;
	hs_stats(&st);
	value = ctl->get(&st);
	/* Little-endian or not: each type is copied from its own width. */
	if (oldp && bytes == sizeof(uint64_t))
		memcpy(oldp, &value, bytes);
	else if (oldp && ctl->type == CTL_UNSIGNED)
		memcpy(oldp, &(unsigned int){ value }, bytes);
	else if (oldp)
		memcpy(oldp, &(bool){ value }, bytes);
	return 0;
}

HS_EXPORT void malloc_stats_print(void (*write_cb)(void *, const char *),
				  void *opaque, const char *opts)
{
	char text[4096];

	/* "J" asks for JSON. */
	hs_stats_format(text, sizeof(text),
			opts && strchr(opts, 'J') ? HS_JSON : HS_TEXT);
	if (write_cb)
		write_cb(opaque, text);
	else
		fputs(text, stderr);
}

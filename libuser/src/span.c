// SPDX-License-Identifier: MIT
/*
 * Whole spans in the program's hands (<hugespan.h>).
 *
 * Lock: the table's, above the backends'. It guards every handle, so that a
 * trim and a free of two threads, or a fork, do not meet half-way.
 */
#include "span.h"

#include <errno.h>
#include <hugespan.h>

#include "backend.h"
#include "heap.h"
#include "lock.h"
#include "meta.h"
#include "sys.h"

/* Says that a handle is one; a freed handle is told from a live one by it. */
#define SPAN_MAGIC UINT64_C(0x6e61707365677568)

struct hs_span {
	struct hs_extent extent;	/* base is NULL in a child without it */
	uint64_t magic;
};

/*
 * A program linked with the static library has only the objects that somebody
 * names: name the fork handlers, who are called by nobody else.
 */
static void (*const needs_fork_handlers)(void) __attribute__((used)) =
	hs_fork_prepare;

static struct hs_lock span_lock = HS_LOCK_INIT;

static const struct hs_span_options default_options = {
	.struct_size = sizeof(struct hs_span_options),
	.backend = HS_BACKEND_AUTO,
	.node = -1,
	.fork_mode = HS_FORK_COW,
};

static bool options_are_valid(const struct hs_span_options *opt)
{
	return opt->struct_size == sizeof(*opt) &&
	       opt->backend >= HS_BACKEND_AUTO &&
	       opt->backend < HS_NR_BACKENDS && opt->node >= -1 &&
	       opt->fork_mode >= HS_FORK_SHARE &&
	       opt->fork_mode <= HS_FORK_WIPE &&
	       !(opt->flags & ~(HS_SPAN_POPULATE | HS_SPAN_STRICT));
}

/* From the backend asked for; auto goes on to the next where one is full. */
static int map_extent(size_t bytes, const struct hs_span_options *opt,
		      struct hs_extent *x)
{
	const struct hs_map_request req = {
		.bytes = bytes,
		.node = opt->node,
		.strict = opt->flags & HS_SPAN_STRICT,
		.populate = opt->flags & HS_SPAN_POPULATE,
		.fork_mode = (uint8_t)opt->fork_mode,
	};
	struct hs_backend *b;
	int err = hs_backend_select(opt->backend, &b);

	if (err)
		return err;
	err = hs_backend_map(b, &req, x);
	if (opt->backend != HS_BACKEND_AUTO)
		return err;
	while (err == -ENOMEM || err == -EOPNOTSUPP) {
		b = hs_backend_next(b);
		if (!b)
			break;
		err = hs_backend_map(b, &req, x);
	}
	return err;
}

HS_EXPORT int hs_span_alloc(size_t bytes, const struct hs_span_options *opt,
			    struct hs_span **out)
{
	struct hs_span *span;
	int err;

	if (!opt)
		opt = &default_options;
	if (!bytes || !out || !options_are_valid(opt))
		return -EINVAL;
	span = hs_meta_alloc(sizeof(*span));
	if (!span)
		return -ENOMEM;

	err = map_extent(bytes, opt, &span->extent);
	if (err) {
		hs_meta_free(span, sizeof(*span));
		return err;
	}
	span->magic = SPAN_MAGIC;
	*out = span;	/* the caller's from here on */
	return 0;
}

static void check_handle(const struct hs_span *span)
{
	if (span->magic != SPAN_MAGIC)
		hs_sys_die("%p is no span handle, or was freed already",
			   (const void *)span);
}

HS_EXPORT void *hs_span_addr(const struct hs_span *span)
{
	if (!span)
		return NULL;
	HS_GUARD(&span_lock);
	check_handle(span);
	return span->extent.base;
}

HS_EXPORT size_t hs_span_bytes(const struct hs_span *span)
{
	if (!span)
		return 0;
	HS_GUARD(&span_lock);
	check_handle(span);
	return span->extent.bytes;
}

HS_EXPORT int hs_span_backend(const struct hs_span *span)
{
	if (!span)
		return -EINVAL;
	HS_GUARD(&span_lock);
	check_handle(span);
	return span->extent.backend->ops->id;
}

HS_EXPORT int hs_span_trim(struct hs_span *span, size_t keep_bytes)
{
	if (!span)
		return -EINVAL;
	HS_GUARD(&span_lock);
	check_handle(span);
	return hs_backend_trim(&span->extent, keep_bytes);
}

HS_EXPORT int hs_span_free(struct hs_span *span)
{
	if (!span)
		return 0;
	HS_GUARD(&span_lock);
	check_handle(span);
	hs_backend_unmap(&span->extent);
	span->magic = 0;
	hs_meta_free(span, sizeof(*span));
	return 0;
}

void hs_spans_fork_prepare(void)
{
	hs_lock(&span_lock);
}

void hs_spans_fork_parent(void)
{
	hs_unlock(&span_lock);
}

void hs_spans_fork_child(void)
{
	hs_lock_reset(&span_lock);
}

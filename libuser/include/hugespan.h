/* SPDX-License-Identifier: MIT */
/*
 * hugespan: memory on huge pages, from /dev/hugespan where there is one and
 * from the best the host offers where there is none.
 *
 * Three ways to use it: LD_PRELOAD=libhugespan-malloc.so (malloc and free of
 * any program), the hs_malloc family below, or whole spans (hs_span_alloc).
 *
 * Unless a comment says otherwise every function is thread-safe, may be called
 * from any thread, before main and in atfork handlers, but not from a signal
 * handler; a function returning int returns 0 or a negative errno and leaves
 * errno alone. Sizes are bytes.
 */
#ifndef HUGESPAN_H
#define HUGESPAN_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define HS_VERSION_MAJOR 0
#define HS_VERSION_MINOR 1
#define HS_VERSION_PATCH 0
#define HS_VERSION "0.1.0"

#if defined(__GNUC__)
#define HS_ATTR(...) __attribute__((__VA_ARGS__))
#else
#define HS_ATTR(...)
#endif

/*
 * The malloc family, on the process's default heap. Semantics, errno included,
 * are those of glibc's functions without the prefix: size 0 gives a unique
 * pointer, hs_realloc(p, 0) frees p and returns NULL, overflow and sizes above
 * PTRDIFF_MAX give NULL with ENOMEM. Pointers are aligned to 16 bytes at least
 * and belong to the caller until hs_free or hs_realloc; any thread may free.
 * A pointer that is not from hugespan, or was already freed, is reported with
 * its address on stderr and the process aborts. With HUGESPAN_CHECK=1 that is
 * certain. Without it, frees of up to 256 KiB are not looked at closely: one
 * that points inside an object, and a second one with others in between, may be
 * noticed late or never.
 */
void *hs_malloc(size_t size) HS_ATTR(malloc, alloc_size(1));
void *hs_calloc(size_t nmemb, size_t size) HS_ATTR(malloc, alloc_size(1, 2));
void *hs_realloc(void *ptr, size_t size) HS_ATTR(alloc_size(2));
void *hs_reallocarray(void *ptr, size_t nmemb, size_t size)
	HS_ATTR(alloc_size(2, 3));
void hs_free(void *ptr);
/*
 * As hs_free: the size is what was asked for at the allocation, a promise that
 * is neither needed nor checked.
 */
void hs_free_sized(void *ptr, size_t size);
void hs_free_aligned_sized(void *ptr, size_t alignment, size_t size);
/* As glibc's memalign: an alignment that is no power of two is rounded up. */
void *hs_memalign(size_t alignment, size_t size)
	HS_ATTR(malloc, alloc_size(2));
void *hs_aligned_alloc(size_t alignment, size_t size)
	HS_ATTR(malloc, alloc_size(2));
/* Returns 0, EINVAL or ENOMEM (positive), as POSIX has it. */
int hs_posix_memalign(void **out, size_t alignment, size_t size);
/* Bytes that may be used at ptr: at least what was asked for. 0 for NULL. */
size_t hs_malloc_usable_size(void *ptr);

/* Where memory comes from, best first. */
enum hs_backend_id {
	HS_BACKEND_DEVICE = 0,	/* spans of /dev/hugespan */
	HS_BACKEND_HUGETLB = 1,	/* the kernel's reserved huge pages */
	HS_BACKEND_THP = 2,	/* transparent huge pages */
	HS_BACKEND_PLAIN = 3,	/* small pages */
	HS_NR_BACKENDS = 4,
	HS_BACKEND_AUTO = -1,	/* the best that works */
};

/* "device", "hugetlb", "thp", "plain", "auto"; "?" for anything else. */
const char *hs_backend_name(int backend);

/*
 * Which backend the default heap uses and why not a better one, and how the
 * per-CPU caches run. Strings are static or live as long as the process.
 */
struct hs_backend_status {
	int usable;		/* 1: would work now */
	char reason[160];	/* why not, with the fix; "" if usable */
};

struct hs_status {
	size_t struct_size;	/* set by the caller: sizeof(struct hs_status) */
	const char *version;
	int backend;		/* enum hs_backend_id in use */
	int backend_asked;	/* what HUGESPAN_BACKEND asked for */
	size_t unit_bytes;	/* huge page of that backend */
	struct hs_backend_status backends[HS_NR_BACKENDS];
	const char *cache_mode;	/* "rseq", "locked" or "off" */
	const char *cache_reason; /* why not rseq; "" with rseq */
	int preloaded;		/* 1: malloc itself is served by hugespan */
};

/* -EINVAL: st is NULL or struct_size is not a published size. */
int hs_status(struct hs_status *st);

/*
 * One snapshot of the default heap. Counters are read without stopping other
 * threads, each exact at its moment. Invariant when nothing else runs:
 *   mapped_bytes = in_use_bytes + cpu_cached_bytes + transfer_cached_bytes +
 *		    central_free_bytes + page_free_bytes + slack_bytes
 */
struct hs_stats {
	size_t struct_size;	/* set by the caller: sizeof(struct hs_stats) */
	uint64_t mapped_bytes;	/* held from the backend, whole units */
	uint64_t mapped_peak_bytes; /* the most it has been */
	uint64_t in_use_bytes;	/* objects the program holds, by class size */
	uint64_t cpu_cached_bytes;	/* free objects in per-CPU caches */
	uint64_t transfer_cached_bytes;	/* free objects in transfer caches */
	uint64_t central_free_bytes;	/* free objects in partly used runs */
	uint64_t page_free_bytes;	/* free runs of pages */
	uint64_t slack_bytes;	/* tails of runs no object fits in */
	uint64_t meta_bytes;	/* metadata, mapped apart from objects */
	uint64_t nr_units;	/* mapped_bytes in units of the backend */
	uint64_t nr_units_mapped_total;	/* taken since start */
	uint64_t nr_units_returned_total; /* given back since start */
	uint64_t nr_backend_refusals;	/* requests refused, of whatever size */
	uint64_t nr_fallback_units;	/* served by a lesser backend instead */
	uint64_t nr_forks;	/* forks seen by the atfork handlers */
	uint64_t nr_units_remapped;	/* made private at a fork */
};

/* -EINVAL: st is NULL or struct_size is not a published size. */
int hs_stats(struct hs_stats *st);

enum hs_format { HS_TEXT = 0, HS_JSON = 1 };

/*
 * Write status and statistics into buf as snprintf does: always terminated
 * when size > 0, returns the length it would have had without truncation
 * (excluding the NUL), or -EINVAL for an unknown format.
 */
int hs_stats_format(char *buf, size_t size, enum hs_format format);
/* The same to a file descriptor; 0 or -errno of write(2). */
int hs_stats_write(int fd, enum hs_format format);

/*
 * Give free memory back: drain the per-CPU and transfer caches, then return
 * every free unit to the backend, keeping at most keep_bytes of them. Returns
 * the number of bytes that went back.
 */
size_t hs_release(size_t keep_bytes);

/*
 * Spans: whole units, mapped, zeroed, not part of any heap.
 */
enum hs_fork_mode {		/* what a fork does with a span */
	HS_FORK_SHARE = 0,	/* parent and child see one memory */
	HS_FORK_COW = 1,	/* writes of either are invisible to the other */
	HS_FORK_DONTFORK = 2,	/* the child has no mapping of it */
	HS_FORK_WIPE = 3,	/* the child finds zeroes there */
};

#define HS_SPAN_POPULATE 1u	/* map every page now: no fault later */
#define HS_SPAN_STRICT 2u	/* only from the node asked for */

struct hs_span_options {
	size_t struct_size;	/* sizeof(struct hs_span_options) */
	int backend;		/* enum hs_backend_id, HS_BACKEND_AUTO */
	int node;		/* NUMA node, or -1 for any */
	int fork_mode;		/* enum hs_fork_mode */
	unsigned int flags;	/* HS_SPAN_* */
};

struct hs_span;

/*
 * Map at least @bytes (rounded up to units) and hand them to the caller, who
 * owns *out until hs_span_free. @opt may be NULL: auto backend, any node,
 * HS_FORK_COW. -EINVAL: bytes is 0 or an option is unknown; -ENOMEM: the
 * backend has no room; -EOPNOTSUPP: the named backend is not usable here, or
 * cannot do what was asked (hs_status says why).
 */
int hs_span_alloc(size_t bytes, const struct hs_span_options *opt,
		  struct hs_span **out);
void *hs_span_addr(const struct hs_span *span);
size_t hs_span_bytes(const struct hs_span *span);
int hs_span_backend(const struct hs_span *span);
/* Give the tail back; keep_bytes is rounded up to units. -EINVAL if 0 or more
 * than the span has. */
int hs_span_trim(struct hs_span *span, size_t keep_bytes);
/* The caller must not touch the memory any more; NULL is allowed. */
int hs_span_free(struct hs_span *span);

/*
 * The environment variables, for tools: one row each; nr in *count.
 */
struct hs_option_info {
	const char *env;	/* "HUGESPAN_BACKEND" */
	const char *flag;	/* "backend": `hugespan run --backend` */
	const char *values;	/* "auto|device|hugetlb|thp|plain" */
	const char *default_value;
	const char *help;	/* one sentence */
};
const struct hs_option_info *hs_options(size_t *count);
/* Check one value as start-up would: 0, or -EINVAL with a sentence in why. */
int hs_option_check(const char *env, const char *value, char *why,
		    size_t why_size);

#ifdef __cplusplus
}
#endif

#endif /* HUGESPAN_H */

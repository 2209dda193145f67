// SPDX-License-Identifier: MIT
/*
 * libhugespan-malloc.so: the C library's allocation functions, by preload or
 * by linking. The only file that defines malloc and free.
 *
 * C++'s operators are not defined here on purpose: libstdc++'s own forms call
 * malloc, aligned_alloc and free, and go on honouring whichever of them the
 * program replaces.
 */
#include <dlfcn.h>
#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "heap.h"
#include "hs_mode.h"
#include "hugespan.h"
#include "sys.h"

/* Not in Debian 12's headers: C23 and removed ones. */
HS_EXPORT void free_sized(void *ptr, size_t size);
HS_EXPORT void free_aligned_sized(void *ptr, size_t alignment, size_t size);

HS_EXPORT void *malloc(size_t size)
{
	return hs_malloc(size);
}

HS_EXPORT void free(void *ptr)
{
	hs_free(ptr);
}

HS_EXPORT void free_sized(void *ptr, size_t size)
{
	hs_free_sized(ptr, size);
}

HS_EXPORT void free_aligned_sized(void *ptr, size_t alignment, size_t size)
{
	hs_free_aligned_sized(ptr, alignment, size);
}

HS_EXPORT void *calloc(size_t nmemb, size_t size)
{
	return hs_calloc(nmemb, size);
}

HS_EXPORT void *realloc(void *ptr, size_t size)
{
	return hs_realloc(ptr, size);
}

HS_EXPORT void *reallocarray(void *ptr, size_t nmemb, size_t size)
{
	return hs_reallocarray(ptr, nmemb, size);
}

HS_EXPORT void *memalign(size_t alignment, size_t size)
{
	return hs_memalign(alignment, size);
}

HS_EXPORT void *aligned_alloc(size_t alignment, size_t size)
{
	return hs_aligned_alloc(alignment, size);
}

HS_EXPORT int posix_memalign(void **out, size_t alignment, size_t size)
{
	return hs_posix_memalign(out, alignment, size);
}

HS_EXPORT void *valloc(size_t size)
{
	return hs_memalign(hs_sys_page_bytes(), size);
}

HS_EXPORT void *pvalloc(size_t size)
{
	size_t page = hs_sys_page_bytes();

	if (size > SIZE_MAX - page) {
		errno = ENOMEM;
		return NULL;
	}
	return hs_memalign(page, hs_align_up(size, page));
}

HS_EXPORT size_t malloc_usable_size(void *ptr)
{
	return hs_malloc_usable_size(ptr);
}

HS_EXPORT int malloc_trim(size_t pad)
{
	return hs_release(pad) > 0;
}

/* ---- figures for old tools ----------------------------------------------- */

static uint64_t free_bytes(const struct hs_stats *st)
{
	return st->cpu_cached_bytes + st->transfer_cached_bytes +
	       st->central_free_bytes + st->page_free_bytes + st->slack_bytes;
}

HS_EXPORT struct mallinfo2 mallinfo2(void)
{
	struct hs_stats st = { .struct_size = sizeof(st) };
	struct mallinfo2 info = { 0 };

	hs_stats(&st);
	info.arena = st.mapped_bytes;
	info.ordblks = st.nr_units;
	info.fsmblks = st.cpu_cached_bytes + st.transfer_cached_bytes;
	info.uordblks = st.in_use_bytes;
	info.fordblks = free_bytes(&st);
	info.keepcost = st.page_free_bytes;
	return info;
}

static int clamp_int(size_t value)
{
	return value > INT32_MAX ? INT32_MAX : (int)value;
}

/* The fields of the old structure are int: what is larger reads as INT_MAX. */
HS_EXPORT struct mallinfo mallinfo(void)
{
	struct mallinfo2 wide = mallinfo2();
	struct mallinfo info = { 0 };

	info.arena = clamp_int(wide.arena);
	info.ordblks = clamp_int(wide.ordblks);
	info.fsmblks = clamp_int(wide.fsmblks);
	info.uordblks = clamp_int(wide.uordblks);
	info.fordblks = clamp_int(wide.fordblks);
	info.keepcost = clamp_int(wide.keepcost);
	return info;
}

/* glibc's document in outline: the totals that its readers look at. */
HS_EXPORT int malloc_info(int options, FILE *stream)
{
	struct hs_stats st = { .struct_size = sizeof(st) };

	if (options)
		return EINVAL;
	hs_stats(&st);
	fprintf(stream,
		"<malloc version=\"hugespan-%s\">\n"
		"<total type=\"fast\" count=\"0\" size=\"%lu\"/>\n"
		"<total type=\"rest\" count=\"0\" size=\"%lu\"/>\n"
		"<system type=\"current\" size=\"%lu\"/>\n"
		"<system type=\"max\" size=\"%lu\"/>\n"
		"<aspace type=\"total\" size=\"%lu\"/>\n"
		"<aspace type=\"mprotect\" size=\"%lu\"/>\n"
		"</malloc>\n", HS_VERSION,
		st.cpu_cached_bytes + st.transfer_cached_bytes,
		st.central_free_bytes + st.page_free_bytes + st.slack_bytes,
		st.mapped_bytes, st.mapped_peak_bytes, st.mapped_bytes,
		st.mapped_bytes);
	return 0;
}

HS_EXPORT void malloc_stats(void)
{
	hs_stats_write(STDERR_FILENO, HS_TEXT);
}

/*
 * glibc's knobs describe glibc's mechanisms: they change nothing here. The
 * answers are glibc's: it refuses fast bins that are too large, and says yes to
 * everything else, parameters it has never heard of among it.
 */
HS_EXPORT int mallopt(int param, int value)
{
	const size_t max_fast_bytes = 20 * sizeof(size_t);

	return param != M_MXFAST || (size_t)value <= max_fast_bytes;
}

/* ---- dlopen -------------------------------------------------------------- */

static void *(*next_dlopen)(const char *file, int mode);

/*
 * RTLD_DEEPBIND makes a plugin find libc's malloc before ours: it would free
 * our pointers there. PHP loads its extensions so. The flag is masked.
 *
 * dlopen searches by its caller's RUNPATH, and tells the caller by the return
 * address: the call must be a jump, which optimisation makes it
 * (selftests/programs checks that it does).
 */
HS_EXPORT __attribute__((optimize("O2"))) void *dlopen(const char *file,
							 int mode)
{
	if (hs_unlikely(!next_dlopen))
		next_dlopen = dlsym(RTLD_NEXT, "dlopen");
	return next_dlopen(file, mode & ~RTLD_DEEPBIND);
}

/* ---- fork handlers --------------------------------------------------------- */

typedef void fork_handler(void);

static int (*next_register_atfork)(fork_handler *prepare, fork_handler *parent,
				   fork_handler *child, void *dso);

/* What pthread_atfork(3) calls in libc; no header has it. */
HS_EXPORT int __register_atfork(fork_handler *prepare, fork_handler *parent,
				fork_handler *child, void *dso);

/*
 * Libraries register handlers in their constructors, which run before those of
 * a preloaded library. The heap starts first, and ours come before theirs: see
 * fork.c. The one who is here from within that start finds it done.
 */
HS_EXPORT int __register_atfork(fork_handler *prepare, fork_handler *parent,
				fork_handler *child, void *dso)
{
	hs_heap_start();
	if (!next_register_atfork)
		next_register_atfork = dlsym(RTLD_NEXT, "__register_atfork");
	/* libc was preloaded before us: then only we come by here. */
	if (!next_register_atfork)
		next_register_atfork = dlsym(RTLD_DEFAULT, "__register_atfork");
	return next_register_atfork(prepare, parent, child, dso);
}

int hs_preloaded(void)
{
	return 1;
}

// SPDX-License-Identifier: MIT
/*
 * The hs_malloc family: glibc's semantics over the default heap.
 *
 * What glibc promises beyond the standard, and we keep: size 0 gives a pointer
 * of its own; realloc(p, 0) frees and returns NULL; a request above PTRDIFF_MAX
 * fails; free leaves errno alone; memalign rounds an odd alignment up.
 */
#include <errno.h>
#include <string.h>

#include "heap.h"
#include "hugespan.h"
#include "sys.h"

static HS_COLD void *out_of_memory(void)
{
	errno = ENOMEM;
	return NULL;
}

HS_EXPORT void *hs_malloc(size_t size)
{
	void *ptr = hs_heap_alloc(size);

	return hs_likely(ptr != NULL) ? ptr : out_of_memory();
}

HS_EXPORT void hs_free(void *ptr)
{
	if (hs_likely(ptr != NULL))
		hs_heap_free(ptr);
}

HS_EXPORT void hs_free_sized(void *ptr, size_t size)
{
	(void)size;
	hs_free(ptr);
}

HS_EXPORT void hs_free_aligned_sized(void *ptr, size_t alignment, size_t size)
{
	(void)alignment;
	(void)size;
	hs_free(ptr);
}

HS_EXPORT void *hs_calloc(size_t nmemb, size_t size)
{
	size_t bytes;
	void *ptr;

	if (hs_unlikely(__builtin_mul_overflow(nmemb, size, &bytes)))
		return out_of_memory();
	ptr = hs_heap_alloc_zeroed(bytes);
	return hs_likely(ptr != NULL) ? ptr : out_of_memory();
}

HS_EXPORT void *hs_realloc(void *ptr, size_t size)
{
	size_t usable;
	void *moved;

	if (!ptr)
		return hs_malloc(size);
	if (!size) {
		hs_heap_free(ptr);
		return NULL;
	}
	if (hs_heap_resize(ptr, size))
		return ptr;
	usable = hs_heap_usable(ptr);
	moved = hs_heap_alloc(size);
	/* Nobody expects a realloc to less to fail: ptr is large enough. */
	if (hs_unlikely(!moved))
		return size <= usable ? ptr : out_of_memory();
	memcpy(moved, ptr, usable < size ? usable : size);
	hs_heap_free(ptr);
	return moved;
}

HS_EXPORT void *hs_reallocarray(void *ptr, size_t nmemb, size_t size)
{
	size_t bytes;

	if (hs_unlikely(__builtin_mul_overflow(nmemb, size, &bytes)))
		return out_of_memory();
	return hs_realloc(ptr, bytes);
}

/* alignment is a power of two. */
static void *alloc_aligned(size_t alignment, size_t size)
{
	return alignment <= HS_MIN_ALIGN ? hs_heap_alloc(size) :
					   hs_heap_alloc_aligned(size, alignment);
}

HS_EXPORT void *hs_memalign(size_t alignment, size_t size)
{
	void *ptr;

	if (alignment > (SIZE_MAX >> 1) + 1) {
		errno = EINVAL;
		return NULL;
	}
	if (!hs_is_pow2(alignment))
		alignment = alignment <= HS_MIN_ALIGN ? HS_MIN_ALIGN :
			2ul << (63 - __builtin_clzl(alignment));
	ptr = alloc_aligned(alignment, size);
	return hs_likely(ptr != NULL) ? ptr : out_of_memory();
}

HS_EXPORT void *hs_aligned_alloc(size_t alignment, size_t size)
{
	return hs_memalign(alignment, size);
}

HS_EXPORT int hs_posix_memalign(void **out, size_t alignment, size_t size)
{
	void *ptr;

	if (alignment % sizeof(void *) || !hs_is_pow2(alignment))
		return EINVAL;
	ptr = alloc_aligned(alignment, size);
	if (!ptr)
		return ENOMEM;
	*out = ptr;
	return 0;
}

HS_EXPORT size_t hs_malloc_usable_size(void *ptr)
{
	return ptr ? hs_heap_usable(ptr) : 0;
}

HS_EXPORT size_t hs_release(size_t keep_bytes)
{
	return hs_heap_release(keep_bytes);
}

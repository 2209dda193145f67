// SPDX-License-Identifier: MIT
/*
 * A program that replaces only the plain operator new and delete, with memory
 * that free() does not know. The standard has the other forms build on them; an
 * allocator that brings its own operators breaks exactly this program.
 */
#include <cstdio>
#include <new>

#include "shim.h"

static char arena[1 << 20];
static std::size_t used;
static int nr_new, nr_delete;

void *operator new(std::size_t size)
{
	void *p = arena + used;

	nr_new++;
	used += (size + 63) & ~(std::size_t)63;
	return p;
}

void operator delete(void *) noexcept
{
	nr_delete++;
}

void operator delete(void *, std::size_t) noexcept
{
	nr_delete++;
}

static bool is_of_arena(const void *p)
{
	return p >= arena && p < arena + sizeof(arena);
}

int main()
{
	if (SHIM_OBSTACLE) {
		std::printf("1..0 # SKIP %s\n", SHIM_OBSTACLE);
		return 4;
	}
	int *one = new int, *array = new int[10];
	int *quiet = new (std::nothrow) int;
	int *quiet_array = new (std::nothrow) int[10];
	bool ok = hs_malloc_usable_size && is_of_arena(one) &&
		  is_of_arena(array) && is_of_arena(quiet) &&
		  is_of_arena(quiet_array);

	delete one;
	delete[] array;
	delete quiet;
	delete[] quiet_array;
	ok = ok && nr_new == 4 && nr_delete == 4;
	std::printf("%sok 1 every form goes through what was replaced\n1..1\n",
		    ok ? "" : "not ");
	return !ok;
}

// SPDX-License-Identifier: MIT
/*
 * C++'s operators new and delete, in every form, end in the shim: libstdc++'s
 * own forms call malloc, aligned_alloc and free. A form that did not would free
 * our memory elsewhere, or elsewhere's here. And whoever replaces the plain
 * operators alone must go on being called by the forms that build on them.
 *
 * TAP by hand: the harness is C.
 */
#include <cstdint>
#include <cstdio>
#include <new>
#include <stdexcept>
#include <string>
#include <vector>

#include "shim.h"

namespace {

int nr_points, nr_failed;

void point(bool ok, const char *name)
{
	std::printf("%sok %d %s\n", ok ? "" : "not ", ++nr_points, name);
	nr_failed += !ok;
}

struct alignas(128) Wide {
	char bytes[300];
};

struct Plain {
	char bytes[300];
};

template <class T> bool single_forms()
{
	T *a = new T, *b = new (std::nothrow) T;
	bool ok = is_ours(a, sizeof(T)) && is_ours(b, sizeof(T)) &&
		  (uintptr_t)a % alignof(T) == 0 &&
		  (uintptr_t)b % alignof(T) == 0;

	delete a;
	delete b;
	return ok;
}

template <class T> bool array_forms()
{
	T *a = new T[7], *b = new (std::nothrow) T[7];
	bool ok = is_ours(a, 7 * sizeof(T)) && is_ours(b, 7 * sizeof(T)) &&
		  (uintptr_t)a % alignof(T) == 0 &&
		  (uintptr_t)b % alignof(T) == 0;

	delete[] a;
	delete[] b;
	return ok;
}

/* Called by their names, as containers and allocators do. */
bool explicit_forms()
{
	std::align_val_t align{256};
	void *p[] = {
		::operator new(100), ::operator new[](100),
		::operator new(100, std::nothrow),
		::operator new[](100, std::nothrow),
		::operator new(100, align), ::operator new[](100, align),
		::operator new(100, align, std::nothrow),
		::operator new[](100, align, std::nothrow),
	};
	bool ok = true;

	for (void *each : p)
		ok = ok && is_ours(each, 100);
	for (int i = 4; i < 8; i++)
		ok = ok && (uintptr_t)p[i] % 256 == 0;
	::operator delete(p[0], (std::size_t)100);
	::operator delete[](p[1], (std::size_t)100);
	::operator delete(p[2], std::nothrow);
	::operator delete[](p[3], std::nothrow);
	::operator delete(p[4], (std::size_t)100, align);
	::operator delete[](p[5], (std::size_t)100, align);
	::operator delete(p[6], align, std::nothrow);
	::operator delete[](p[7], align);
	::operator delete(nullptr);
	::operator delete[](nullptr, (std::size_t)0, align);
	return ok;
}

volatile std::size_t too_much = PTRDIFF_MAX;
int nr_handler_calls;

void give_up()
{
	if (++nr_handler_calls == 3)
		std::set_new_handler(nullptr);
}

bool failure()
{
	std::new_handler old = std::set_new_handler(give_up);
	bool thrown = false;

	try {
		::operator delete(::operator new(too_much));
	} catch (const std::bad_alloc &) {
		thrown = true;
	}
	std::set_new_handler(old);
	return thrown && nr_handler_calls == 3 &&
	       !::operator new(too_much, std::nothrow);
}

bool containers()
{
	std::vector<std::string> words;

	for (int i = 0; i < 20000; i++)
		words.push_back(std::string(i % 500, 'x'));
	for (int i = 0; i < 20000; i++)
		if (words[i].size() != (std::size_t)(i % 500))
			return false;
	return is_ours(words.data(), words.size() * sizeof(words[0]));
}

} // namespace

int main()
{
	if (SHIM_OBSTACLE) {
		std::printf("1..0 # SKIP %s\n", SHIM_OBSTACLE);
		return 4;
	}
	if (!hs_malloc_usable_size) {
		std::printf("Bail out! the shim is not there\n");
		return 1;
	}
	point(single_forms<Plain>(), "new and delete of one");
	point(array_forms<Plain>(), "new and delete of an array");
	point(single_forms<Wide>(), "new and delete of one, over-aligned");
	point(array_forms<Wide>(), "new and delete of an array, over-aligned");
	point(explicit_forms(), "the operators called by name");
	point(failure(), "no memory: the handler, bad_alloc, nullptr");
	point(containers(), "containers and strings");
	std::printf("1..%d\n", nr_points);
	return nr_failed != 0;
}

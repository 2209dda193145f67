# SPDX-License-Identifier: MIT
#
# C++ has some twenty forms of new and delete, and a program may replace some
# of them and not the others: the ones it left must go on calling those it
# made. Exceptions are allocated too, also when there is no memory left.

prepare() {
	needs g++
	cat >forms.cc <<'CXX'
#include <cstdio>
#include <cstdint>
#include <map>
#include <memory>
#include <new>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

struct alignas(256) Wide { char bytes[512]; };
struct Throws { Throws() { throw std::runtime_error("from a constructor"); } };

static bool aligned(const void *p, size_t to) { return (uintptr_t)p % to == 0; }

static void forms()
{
	delete new int(1);
	delete[] new int[100];
	delete new (std::nothrow) int(1);
	Wide *one = new Wide, *many = new Wide[3];
	printf("aligned %d %d\n", aligned(one, 256), aligned(many, 256));
	delete one;
	delete[] many;
	::operator delete(::operator new(77), 77ul);
	::operator delete(::operator new(64, std::align_val_t(4096)), 64ul,
			  std::align_val_t(4096));
	::operator delete[](::operator new[](64, std::align_val_t(64),
					     std::nothrow),
			    std::align_val_t(64), std::nothrow);
	printf("nothing %d\n", ::operator new(0) != ::operator new(0));
}

static void failures()
{
	volatile size_t huge = SIZE_MAX / 4;
	int handled = 0;

	try {
		delete[] new char[huge];
	} catch (const std::bad_alloc &) {
		handled++;
	}
	printf("nothrow %d\n", new (std::nothrow) char[huge] == nullptr);
	for (int i = 0; i < 1000; i++) {
		try {
			delete new Throws;
		} catch (const std::exception &) {
			handled++;
		}
	}
	std::set_new_handler([] { throw std::length_error("the handler"); });
	try {
		delete[] new char[huge];
	} catch (const std::length_error &e) {
		printf("%s, %d\n", e.what(), handled);
	}
	std::set_new_handler(nullptr);
}

static void containers()
{
	std::map<std::string, std::vector<std::string>> table;
	std::vector<std::thread> threads;
	std::vector<std::shared_ptr<std::string>> shared(4000);

	for (int i = 0; i < 20000; i++)
		table["key" + std::to_string(i % 997)].push_back(
			std::string(i % 60, 'x'));
	for (int t = 0; t < 4; t++)
		threads.emplace_back([&shared, t] {
			for (size_t i = t; i < shared.size(); i += 4)
				shared[i] = std::make_shared<std::string>(i, 'y');
		});
	for (auto &thread : threads)
		thread.join();
	size_t total = 0;
	for (auto &text : shared)
		total += text->size();
	printf("containers %zu %zu\n", table.size(), total);
}

int main()
{
	forms();
	failures();
	containers();
}
CXX
	cat >replaced.cc <<'CXX'
#include <cstdio>
#include <cstdlib>
#include <new>
#include <string>
#include <vector>

/* Only the plain forms are replaced, and what they give is not at the start of
 * its block: a library's sized or array form that frees it itself goes wrong. */
static long live, calls;

void *operator new(std::size_t size)
{
	char *block = static_cast<char *>(std::malloc(size + 64));

	if (!block)
		throw std::bad_alloc();
	live++;
	calls++;
	return block + 64;
}

void operator delete(void *p) noexcept
{
	if (!p)
		return;
	live--;
	std::free(static_cast<char *>(p) - 64);
}

int main()
{
	{
		std::vector<std::string> list;

		for (int i = 0; i < 10000; i++)
			list.emplace_back(i % 100, 'z');
		delete[] new int[1000];
		delete new (std::nothrow) long;
		::operator delete(::operator new(10), 10ul);
	}
	std::printf("live %ld, calls %s\n", live, calls > 9000 ? "many" : "few");
}
CXX
	g++ -std=c++17 -O1 -pthread -o forms forms.cc
	g++ -std=c++17 -O0 -o replaced replaced.cc
}

run() {
	hs "$HS_DATA/forms"
	hs "$HS_DATA/replaced"
}

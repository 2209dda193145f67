// SPDX-License-Identifier: MIT
/* Clocks, memory figures and words; nothing here allocates. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "workload.h"

static void write_all(int fd, const char *text, size_t bytes)
{
	if (write(fd, text, bytes) != (ssize_t)bytes)
		_exit(3);
}

void die(const char *what)
{
	write_all(2, "workload: ", 10);
	write_all(2, what, strlen(what));
	write_all(2, "\n", 1);
	_exit(2);
}

void *map_table(size_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	if (p == MAP_FAILED)
		die("no memory for a table");
	return p;
}

void print_number(const char *key, double value)
{
	char line[128];
	int n = snprintf(line, sizeof(line), "%s %.6g\n", key, value);

	write_all(1, line, n);
}

uint64_t number(char **args, int i)
{
	char *end;
	uint64_t value;

	for (int j = 0; j <= i; j++)
		if (!args[j])
			die("an argument is missing (see --help)");
	value = strtoull(args[i], &end, 10);
	if (*end || end == args[i])
		die("an argument is no number");
	return value;
}

bool word_is(char **args, int i, const char *word)
{
	for (int j = 0; j <= i; j++)
		if (!args[j])
			die("an argument is missing (see --help)");
	return strcmp(args[i], word) == 0;
}

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return ts.tv_sec * 1000000000ull + ts.tv_nsec;
}

uint64_t process_cpu_ns(void)
{
	return clock_ns(CLOCK_PROCESS_CPUTIME_ID);
}

uint64_t monotonic_ns(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

/* The file as a string; the buffer is ours until the next call. */
static const char *slurp(const char *path)
{
	static char text[8192];
	size_t length = 0;
	ssize_t n;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		die(path);
	while (length < sizeof(text) - 1 &&
	       (n = read(fd, text + length, sizeof(text) - 1 - length)) > 0)
		length += n;
	close(fd);
	text[length] = '\0';
	return text;
}

/* The number behind "key:" at the start of a line; 0 where there is none. */
static uint64_t field(const char *text, const char *key)
{
	size_t length = strlen(key);

	for (const char *line = text; line && *line;) {
		if (!strncmp(line, key, length) && line[length] == ':')
			return strtoull(line + length + 1, NULL, 10);
		line = strchr(line, '\n');
		if (line)
			line++;
	}
	return 0;
}

struct memory memory_now(void)
{
	const char *text = slurp("/proc/self/smaps_rollup");

	return (struct memory){
		.rss_kib = field(text, "Rss") + field(text, "Shared_Hugetlb") +
			   field(text, "Private_Hugetlb"),
		.private_dirty_kib = field(text, "Private_Dirty") + field(text, "Private_Hugetlb"),
	};
}

uint64_t peak_rss_kib(void)
{
	return field(slurp("/proc/self/status"), "VmHWM");
}

uint64_t minor_faults(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return usage.ru_minflt;
}

void sizes_fill(struct sizes *s, struct rng *r, uint32_t lo, uint32_t hi)
{
	unsigned int doublings = 0;

	while (((uint64_t)lo << (doublings + 1)) <= hi)
		doublings++;
	for (int i = 0; i < SIZES_NR; i++) {
		/* Evenly spread in a doubling that is drawn evenly. */
		uint64_t from = (uint64_t)lo << (doublings ? rng_below(r, doublings) : 0);

		s->bytes[i] = from + rng_below(r, from);
	}
}

// SPDX-License-Identifier: MIT
/*
 * The environment variables (options.h). HS_OPTION_TABLE is the only list of
 * them: parsing, defaults, checks, the public hs_options() and the search for
 * misspelt names are all made from it.
 */
#include "options.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#include <hugespan.h>

#include "lock.h"
#include "sys.h"

/* As many as the kernel could ever have (MAX_NUMNODES). */
#define HS_MAX_NODES 1024
#define HS_DEVICE_PATH_MAX 256

/* X(name after HUGESPAN_, flag of `run`, parser, values, default, help) */
#define HS_OPTION_TABLE(X)						\
	X("BACKEND", "backend", parse_backend,				\
	  "auto|device|hugetlb|thp|plain", "auto",			\
	  "Where memory comes from; auto takes the best that works, a "	\
	  "backend asked for by name must work.")			\
	X("DEVICE", "device", parse_device,				\
	  "an absolute path", "/dev/hugespan",				\
	  "The device node of the kernel module.")			\
	X("NODE", "node", parse_node,					\
	  "any|0..1023", "any",						\
	  "The NUMA node that memory is taken from as long as it has any.") \
	X("RSEQ", "rseq", parse_rseq,					\
	  "0|1", "1",							\
	  "0 forces the per-CPU caches to use locks.")			\
	X("CHECK", "check", parse_check,				\
	  "0|1", "0",							\
	  "1 checks every free and uses no caches: slow, for hunting bugs.") \
	X("POPULATE", "populate", parse_populate,			\
	  "auto|0|1", "auto",						\
	  "1 maps every page when a unit is taken, so that no access "	\
	  "faults; auto does so on device and hugetlb.")		\
	X("RETAIN", "retain", parse_retain,				\
	  "bytes, with K, M or G", "8M",				\
	  "Free units kept for reuse before more go back; up to eight "	\
	  "times as many while those are taken again within a second.")		\
	X("TRIM", "trim", parse_trim,					\
	  "0|1", "1",							\
	  "1 drains the caches and gives units back when the memory in "	\
	  "use has fallen to half; 0 leaves what the caches pin.")	\
	X("CPU_CACHE", "cpu-cache", parse_cpu_cache,			\
	  "bytes, with K, M or G", "3M",				\
	  "Free objects kept per CPU, at most.")			\
	X("LIMIT", "limit", parse_limit,				\
	  "bytes, with K, M or G; 0 for none", "0",			\
	  "Memory the heap may hold; an allocation beyond it fails "	\
	  "with ENOMEM.")						\
	X("FORK", "fork", parse_fork,					\
	  "cow|dontfork", "cow",					\
	  "What a child sees of the heap: a copy on write, or nothing "	\
	  "(only for children that exec at once).")			\
	X("STATS", "stats", parse_stats,				\
	  "off|text|json|text:FD|json:FD", "off",			\
	  "Statistics written at exit, to stderr or that descriptor.")	\
	X("VERBOSE", "verbose", parse_verbose,				\
	  "0|1", "0",							\
	  "1 prints one line at start that says what memory is used.")

/* Names of ours that are not for the library. */
static const char *const foreign_prefixes[] = {
	"HUGESPAN_CACHE=",	/* tools/: where downloads are kept */
	"HUGESPAN_TEST_",	/* selftests/: seed and number of operations */
};

#define ENV_PREFIX "HUGESPAN_"
#define ENV_PREFIX_LEN (sizeof(ENV_PREFIX) - 1)

struct hs_options hs_opt;

static struct hs_lock load_lock = HS_LOCK_INIT;
static bool loaded;		/* guarded by load_lock, read without it */
static char device_path[HS_DEVICE_PATH_MAX];

/* Digits only, no sign: 0 or -EINVAL. *end is what follows them. */
static int parse_digits(const char *s, uint64_t *out, const char **end)
{
	uint64_t value = 0;

	if (*s < '0' || *s > '9')
		return -EINVAL;
	for (; *s >= '0' && *s <= '9'; s++) {
		if (__builtin_mul_overflow(value, 10, &value) ||
		    __builtin_add_overflow(value, (uint64_t)(*s - '0'), &value))
			return -EINVAL;
	}
	*out = value;
	*end = s;
	return 0;
}

static int parse_number(const char *s, uint64_t max, uint64_t *out)
{
	const char *end;

	if (parse_digits(s, out, &end) || *end || *out > max)
		return -EINVAL;
	return 0;
}

static int parse_size(const char *s, size_t *out)
{
	unsigned int shift = 0;
	const char *end;
	uint64_t value;

	if (parse_digits(s, &value, &end))
		return -EINVAL;
	switch (*end) {
	case 'k': case 'K':
		shift = 10;
		break;
	case 'm': case 'M':
		shift = 20;
		break;
	case 'g': case 'G':
		shift = 30;
		break;
	}
	if (shift)
		end++;
	if (*end || value > (uint64_t)PTRDIFF_MAX >> shift)
		return -EINVAL;
	*out = (size_t)(value << shift);
	return 0;
}

static int parse_bool(const char *s, bool *out)
{
	uint64_t value;

	if (parse_number(s, 1, &value))
		return -EINVAL;
	*out = value;
	return 0;
}

HS_EXPORT const char *hs_backend_name(int backend)
{
	switch (backend) {
	case HS_BACKEND_AUTO:
		return "auto";
	case HS_BACKEND_DEVICE:
		return "device";
	case HS_BACKEND_HUGETLB:
		return "hugetlb";
	case HS_BACKEND_THP:
		return "thp";
	case HS_BACKEND_PLAIN:
		return "plain";
	default:
		return "?";
	}
}

static int parse_backend(const char *s, struct hs_options *o)
{
	for (int id = HS_BACKEND_AUTO; id < HS_NR_BACKENDS; id++) {
		if (!strcmp(s, hs_backend_name(id))) {
			o->backend = id;
			return 0;
		}
	}
	return -EINVAL;
}

static int parse_device(const char *s, struct hs_options *o)
{
	if (*s != '/' || strlen(s) >= HS_DEVICE_PATH_MAX)
		return -EINVAL;
	o->device = s;
	return 0;
}

static int parse_node(const char *s, struct hs_options *o)
{
	uint64_t node;

	if (!strcmp(s, "any")) {
		o->node = -1;
		return 0;
	}
	if (parse_number(s, HS_MAX_NODES - 1, &node))
		return -EINVAL;
	o->node = (int)node;
	return 0;
}

static int parse_rseq(const char *s, struct hs_options *o)
{
	return parse_bool(s, &o->rseq);
}

static int parse_check(const char *s, struct hs_options *o)
{
	return parse_bool(s, &o->check);
}

static int parse_populate(const char *s, struct hs_options *o)
{
	o->populate_auto = !strcmp(s, "auto");
	if (o->populate_auto) {
		o->populate = false;
		return 0;
	}
	return parse_bool(s, &o->populate);
}

static int parse_retain(const char *s, struct hs_options *o)
{
	return parse_size(s, &o->retain_bytes);
}

static int parse_trim(const char *s, struct hs_options *o)
{
	return parse_bool(s, &o->trim);
}

static int parse_cpu_cache(const char *s, struct hs_options *o)
{
	return parse_size(s, &o->cpu_cache_bytes);
}

static int parse_limit(const char *s, struct hs_options *o)
{
	return parse_size(s, &o->limit_bytes);
}

static int parse_fork(const char *s, struct hs_options *o)
{
	if (!strcmp(s, "cow"))
		o->fork_mode = HS_FORK_COW;
	else if (!strcmp(s, "dontfork"))
		o->fork_mode = HS_FORK_DONTFORK;
	else
		return -EINVAL;
	return 0;
}

static int parse_stats(const char *s, struct hs_options *o)
{
	uint64_t fd = 2;
	int format;

	if (!strcmp(s, "off")) {
		o->stats_fd = -1;
		o->stats_format = HS_TEXT;
		return 0;
	}
	if (!strncmp(s, "text", 4))
		format = HS_TEXT;
	else if (!strncmp(s, "json", 4))
		format = HS_JSON;
	else
		return -EINVAL;
	s += 4;
	if (*s && (*s != ':' || parse_number(s + 1, INT_MAX, &fd)))
		return -EINVAL;
	o->stats_fd = (int)fd;
	o->stats_format = format;
	return 0;
}

static int parse_verbose(const char *s, struct hs_options *o)
{
	return parse_bool(s, &o->verbose);
}

#define AS_INFO(name, flag_, parser, values_, default_, help_)		\
	{ .env = ENV_PREFIX name, .flag = flag_, .values = values_,	\
	  .default_value = default_, .help = help_ },
#define AS_PARSER(name, flag, parser, values, default_, help) parser,

static const struct hs_option_info infos[] = { HS_OPTION_TABLE(AS_INFO) };
static int (*const parsers[])(const char *s, struct hs_options *o) = {
	HS_OPTION_TABLE(AS_PARSER)
};

#define NR_OPTIONS (sizeof(infos) / sizeof(infos[0]))

HS_EXPORT const struct hs_option_info *hs_options(size_t *count)
{
	if (count)
		*count = NR_OPTIONS;
	return infos;
}

/* The row of a variable, or NR_OPTIONS. The name ends at '=' or at its NUL. */
static size_t find_option(const char *name)
{
	size_t len = strcspn(name, "=");
	size_t i;

	for (i = 0; i < NR_OPTIONS; i++)
		if (!strncmp(infos[i].env, name, len) && !infos[i].env[len])
			break;
	return i;
}

HS_EXPORT int hs_option_check(const char *env, const char *value, char *why,
			      size_t why_size)
{
	struct hs_options scratch;
	size_t i;

	if (why && why_size)
		*why = '\0';
	if (!env || !value)
		return -EINVAL;
	i = find_option(env);
	if (i == NR_OPTIONS || strchr(env, '=')) {
		hs_sys_format(why, why ? why_size : 0,
			      "there is no option %.64s", env);
		return -EINVAL;
	}
	/* Empty is as good as not set. */
	if (!*value || !parsers[i](value, &scratch))
		return 0;
	hs_sys_format(why, why ? why_size : 0,
		      "%s='%.64s' is not understood; it takes %s", env, value,
		      infos[i].values);
	return -EINVAL;
}

/* How many letters must be changed, put in or left out to make a into b. */
static size_t edit_distance(const char *a, size_t a_len, const char *b)
{
	enum { MAX_LEN = 32 };
	size_t b_len = strlen(b);
	size_t row[MAX_LEN + 1];

	if (a_len > MAX_LEN || b_len > MAX_LEN)
		return SIZE_MAX;
	for (size_t j = 0; j <= b_len; j++)
		row[j] = j;
	for (size_t i = 1; i <= a_len; i++) {
		size_t diagonal = row[0];

		row[0] = i;
		for (size_t j = 1; j <= b_len; j++) {
			size_t best = diagonal + (a[i - 1] != b[j - 1]);

			if (best > row[j] + 1)
				best = row[j] + 1;
			if (best > row[j - 1] + 1)
				best = row[j - 1] + 1;
			diagonal = row[j];
			row[j] = best;
		}
	}
	return row[b_len];
}

/* More changes than this and the names have nothing to do with each other. */
#define MAX_MISSPELLING 4

static void warn_unknown(const char *entry)
{
	int len = (int)strcspn(entry, "=");
	size_t best = MAX_MISSPELLING + 1;
	const char *nearest = NULL;

	for (size_t i = 0; i < NR_OPTIONS; i++) {
		size_t distance = edit_distance(entry + ENV_PREFIX_LEN,
						(size_t)len - ENV_PREFIX_LEN,
						infos[i].env + ENV_PREFIX_LEN);

		if (distance < best) {
			best = distance;
			nearest = infos[i].env;
		}
	}
	len = len > 64 ? 64 : len;
	if (nearest)
		hs_sys_warn("there is no option %.*s: did you mean %s?", len,
			    entry, nearest);
	else
		hs_sys_warn("there is no option %.*s: it has no effect", len,
			    entry);
}

static void warn_unknown_all(void)
{
	const size_t nr_foreign = sizeof(foreign_prefixes) /
				  sizeof(foreign_prefixes[0]);

	for (char *const *entry = hs_sys_environ(); *entry; entry++) {
		size_t i;

		if (strncmp(*entry, ENV_PREFIX, ENV_PREFIX_LEN) ||
		    find_option(*entry) < NR_OPTIONS)
			continue;
		for (i = 0; i < nr_foreign; i++)
			if (!strncmp(*entry, foreign_prefixes[i],
				     strlen(foreign_prefixes[i])))
				break;
		if (i == nr_foreign)
			warn_unknown(*entry);
	}
}

static void load_option(size_t i)
{
	const char *value = hs_sys_getenv(infos[i].env);

	/* The defaults are written as a user would write them. */
	if (parsers[i](infos[i].default_value, &hs_opt))
		hs_sys_die("the default of %s is not valid", infos[i].env);
	if (!value || !*value)
		return;
	/* A parser that fails may have changed its member: start over. */
	if (parsers[i](value, &hs_opt)) {
		hs_sys_warn("%s='%.64s' is not understood; it takes %s. Using %s",
			    infos[i].env, value, infos[i].values,
			    infos[i].default_value);
		parsers[i](infos[i].default_value, &hs_opt);
	}
}

void hs_options_load(void)
{
	if (__atomic_load_n(&loaded, __ATOMIC_ACQUIRE))
		return;
	HS_GUARD(&load_lock);
	if (loaded)
		return;
	for (size_t i = 0; i < NR_OPTIONS; i++)
		load_option(i);
	/* The program may overwrite its environment; the path is kept. */
	memcpy(device_path, hs_opt.device, strlen(hs_opt.device) + 1);
	hs_opt.device = device_path;
	warn_unknown_all();
	__atomic_store_n(&loaded, true, __ATOMIC_RELEASE);
}

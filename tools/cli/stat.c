// SPDX-License-Identifier: MIT
/*
 * hugespan stat: the pool's figures, once or again and again, and what
 * processes hold of it.
 */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "alloc.h"
#include "cli.h"
#include "json.h"
#include "poolinfo.h"
#include "procstat.h"
#include "text.h"

/* A title line again after so many samples, so that it stays in sight. */
#define LINES_BETWEEN_TITLES 20

struct stat_options {
	bool want_json;
	bool want_all;		/* --all: every process that holds something */
	double interval_s;	/* --watch; 0: once */
	long nr_samples;	/* --count; 0: until interrupted */
	pid_t *pids;
	int nr_pids;
};

/* Events a second between two samples; not a number before the second. */
struct stat_rates {
	double seconds;
	double grants;
	double frees;
	double refused;
};

static double now_s(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec + now.tv_nsec / 1e9;
}

/* The module may have been loaded anew in between: then there is no rate. */
static double rate(uint64_t before, uint64_t after, double seconds)
{
	if (after < before || !(seconds > 0))
		return NAN;
	return (double)(after - before) / seconds;
}

static void make_rates(struct stat_rates *rates, const struct pool_info *before,
		       const struct pool_info *after, double seconds)
{
	bool known = before->has_counters && after->has_counters;

	rates->seconds = seconds;
	rates->grants = known ? rate(before->nr_grants, after->nr_grants,
				     seconds) : NAN;
	rates->frees = known ? rate(before->nr_frees, after->nr_frees,
				    seconds) : NAN;
	rates->refused = rate(before->nr_refused, after->nr_refused, seconds);
}

static void print_json(const struct stat_options *options,
		       const struct pool_info *info,
		       const struct stat_rates *rates, struct proc_stat *procs)
{
	struct json json;

	json_start(&json, stdout, options->interval_s > 0);
	json_object(&json, NULL);
	pool_info_json(&json, info);
	if (rates) {
		json_object(&json, "rates");
		json_double(&json, "seconds", rates->seconds);
		json_double(&json, "grants_per_second", rates->grants);
		json_double(&json, "frees_per_second", rates->frees);
		json_double(&json, "refused_per_second", rates->refused);
		json_end(&json);
	}
	if (procs)
		proc_stat_json(&json, procs);
	json_end(&json);
	json_finish(&json);
}

static void print_once(const struct pool_info *info)
{
	pool_info_print(info, 0);
	if (info->has_counters)
		printf("\nsince load: %ju grants, %ju frees, %ju refused\n",
		       (uintmax_t)info->nr_grants, (uintmax_t)info->nr_frees,
		       (uintmax_t)info->nr_refused);
	else
		printf("\nsince load: %ju refused (the device cannot be opened"
		       " here, so nothing of grants and frees)\n",
		       (uintmax_t)info->nr_refused);
}

static void print_rate(double value)
{
	if (isfinite(value))
		printf("  %9.1f", value);
	else
		printf("  %9s", "-");
}

static void print_sample(const struct pool_info *info,
			 const struct stat_rates *rates, bool with_titles)
{
	const struct pool_node *total = &info->total;
	const uint64_t units[] = {
		total->nr_free, total->nr_free_clean, total->nr_granted,
		total->nr_quarantined,
	};
	char time_text[16], buf[TEXT_BYTES_MAX];
	time_t now = time(NULL);
	size_t i;

	if (with_titles)
		printf("%s%-8s  %11s  %11s  %11s  %11s  %9s  %9s  %9s%s\n",
		       text_style(TEXT_BOLD), "time", "free", "zeroed",
		       "granted", "quarantined", "grants/s", "frees/s",
		       "refused/s", text_style(TEXT_PLAIN));
	strftime(time_text, sizeof(time_text), "%H:%M:%S", localtime(&now));
	printf("%-8s", time_text);
	for (i = 0; i < ARRAY_SIZE(units); i++)
		printf("  %11s", text_bytes(buf, pool_bytes(info, units[i])));
	print_rate(rates ? rates->grants : NAN);
	print_rate(rates ? rates->frees : NAN);
	print_rate(rates ? rates->refused : NAN);
	putchar('\n');
}

/* The processes asked for, or NULL. Sets *code when one is not to be had. */
static struct proc_stat *read_processes(const struct stat_options *options,
					int *code)
{
	if (options->want_all)
		return proc_stat_all();
	if (options->nr_pids)
		return proc_stat_some(options->pids, options->nr_pids, code);
	return NULL;
}

static void pause_s(double seconds)
{
	struct timespec left = {
		.tv_sec = seconds,
		.tv_nsec = (seconds - floor(seconds)) * 1e9,
	};

	while (nanosleep(&left, &left) < 0 && errno == EINTR)
		;
}

static int take_samples(const struct stat_options *options)
{
	struct pool_info before = { 0 }, info;
	double at = 0, last = 0;
	struct stat_rates rates;
	int code = CLI_OK;
	long i;

	for (i = 0; ; i++) {
		struct proc_stat *procs;

		if (pool_info_read(&info)) {
			pool_info_not_loaded();
			pool_info_free(&info);
			code = CLI_FAILED;
			break;
		}
		at = now_s();
		if (i)
			make_rates(&rates, &before, &info, at - last);
		procs = read_processes(options, &code);
		if (options->want_json)
			print_json(options, &info, i ? &rates : NULL, procs);
		else if (options->interval_s > 0)
			print_sample(&info, i ? &rates : NULL, procs ||
				     i % LINES_BETWEEN_TITLES == 0);
		else
			print_once(&info);
		if (procs && !options->want_json) {
			putchar('\n');
			proc_stat_print(procs);
			if (options->interval_s > 0)
				putchar('\n');
		}
		proc_stat_free(procs);
		pool_info_free(&before);
		before = info;
		last = at;
		if (!(options->interval_s > 0) || i + 1 == options->nr_samples)
			break;
		fflush(stdout);
		pause_s(options->interval_s);
	}
	pool_info_free(&before);
	return code;
}

static int parse_pids(struct stat_options *options, int argc, char **argv)
{
	char *end;
	int i;

	options->nr_pids = argc;
	options->pids = xcalloc(argc, sizeof(*options->pids));
	for (i = 0; i < argc; i++) {
		long pid = strtol(argv[i], &end, 10);

		if (end == argv[i] || *end || pid <= 0 || pid > 1 << 22)
			return cli_usage("'%s' is not a process id", argv[i]);
		options->pids[i] = pid;
	}
	return CLI_OK;
}

static int parse(struct stat_options *options, int argc, char **argv)
{
	static const struct option table[] = {
		CLI_HELP_OPTION,
		CLI_JSON_OPTION,
		{ "all", no_argument, NULL, 'a' },
		{ "watch", required_argument, NULL, 'w' },
		{ "count", required_argument, NULL, 'n' },
		{ }
	};
	char *end;
	int letter;

	while ((letter = cli_getopt(argc, argv, "hjaw:n:", table)) != -1) {
		switch (letter) {
		case 'j':
			options->want_json = true;
			break;
		case 'a':
			options->want_all = true;
			break;
		case 'w':
			options->interval_s = strtod(optarg, &end);
			if (end == optarg || *end ||
			    !(options->interval_s >= 0.01) ||
			    options->interval_s > 86400)
				return cli_usage("--watch takes seconds, from"
						 " 0.01 to 86400, not '%s'",
						 optarg);
			break;
		case 'n':
			options->nr_samples = strtol(optarg, &end, 10);
			if (end == optarg || *end || options->nr_samples <= 0)
				return cli_usage("--count takes a number above"
						 " 0, not '%s'", optarg);
			break;
		}
	}
	if (options->nr_samples && !(options->interval_s > 0))
		return cli_usage("--count needs --watch");
	if (options->want_all && optind < argc)
		return cli_usage("either --all or process ids");
	return parse_pids(options, argc - optind, argv + optind);
}

static int run_stat(int argc, char **argv)
{
	struct stat_options options = { 0 };
	int code = parse(&options, argc, argv);

	if (code == CLI_OK)
		code = take_samples(&options);
	free(options.pids);
	return code;
}

const struct cli_command cmd_stat = {
	.name = "stat",
	.summary = "Show the pool's figures and what processes hold of it",
	.usage = "[--json] [--watch SECONDS [--count N]] [--all | PID...]",
	.help =
		"Options:\n"
		"  -a, --all            every process that has something of the"
		" device\n"
		"  -w, --watch SECONDS  a sample every so often, with rates;"
		" 0.01 to 86400\n"
		"  -n, --count N        end after N samples (with --watch)\n"
		"  -j, --json           print JSON; with --watch one object a"
		" line\n"
		"  -h, --help           this text\n"
		"\n"
		"Figures of a process: 'held' is what the spans of its open"
		" files amount to,\n"
		"the others are its mappings of the device. Another user's"
		" process needs root.\n"
		"\n"
		"Exit codes: 0; 1 the module is not loaded, or a process given"
		" is not there or\n"
		"may not be read; 2 bad usage.\n",
	.run = run_stat,
};

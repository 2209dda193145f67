// SPDX-License-Identifier: MIT
/*
 * hugespan pool grow and shrink.
 *
 * The kernel is asked in steps, so that there is something to show in between
 * and a signal is heard. Each step says how many units there are to be
 * (nr_target), not how many more, so that a step can be asked for again.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli.h"
#include "poolinfo.h"
#include "poolsize.h"
#include "rights.h"
#include "sysroot.h"
#include "text.h"

#define SYSFS "/sys/kernel/hugespan"

/* A step is a share of the whole, but not less than so many units. */
#define NR_STEPS 50
#define STEP_UNITS_MIN 8

/* What is being done, and how far it is. In units. */
struct progress {
	const struct pool_change *change;
	char folder[64];	/* of the node or of all, in sysfs */
	uint64_t unit_bytes;
	uint64_t nr_first;
	uint64_t nr_now;
	uint64_t nr_wanted;	/* at the end */
	bool is_shown;		/* a line of progress is on the terminal */
};

static volatile sig_atomic_t caught;

static void on_signal(int number)
{
	caught = number;
}

/* A write that is under way ends with EINTR. */
static void catch_signals(void)
{
	struct sigaction action = { .sa_handler = on_signal };

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
}

static uint64_t distance(uint64_t a, uint64_t b)
{
	return a > b ? a - b : b - a;
}

static const char *verb_of(const struct pool_change *change)
{
	return change->is_growth ? "grow" : "shrink";
}

static int read_size(struct progress *progress)
{
	return sys_read_u64(&progress->nr_now, "%s/nr_units",
			    progress->folder);
}

/* 0, or -errno as the file's documentation explains it. */
static int ask_for(const struct progress *progress, uint64_t nr_units)
{
	char path[PATH_MAX], text[32];
	int fd, err = 0, len;

	fd = open(sys_path(path, "%s/nr_target", progress->folder),
		  O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	len = snprintf(text, sizeof(text), "%ju\n", (uintmax_t)nr_units);
	if (write(fd, text, len) < 0)
		err = -errno;
	close(fd);
	return err;
}

/* Have the kernel move pages together, so that there are huge ones again. */
static void compact(const struct pool_change *change)
{
	char path[PATH_MAX];
	int fd;

	if (change->node)
		sys_path(path, "/sys/devices/system/node/node%s/compact",
			 change->node);
	else
		sys_path(path, "/proc/sys/vm/compact_memory");
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	if (write(fd, "1\n", 2) < 0)
		cli_error("%s: %s", path, strerror(errno));
	close(fd);
}

static bool is_done(const struct progress *progress)
{
	return progress->change->is_growth ?
	       progress->nr_now >= progress->nr_wanted :
	       progress->nr_now <= progress->nr_wanted;
}

/* ---- what is shown ------------------------------------------------------ */

static void print_state(const struct progress *progress, char *line,
			size_t size)
{
	char done[TEXT_BYTES_MAX], all[TEXT_BYTES_MAX];

	text_bytes(done, distance(progress->nr_first, progress->nr_now) *
		   progress->unit_bytes);
	text_bytes(all, distance(progress->nr_first, progress->nr_wanted) *
		   progress->unit_bytes);
	snprintf(line, size, "%s by %s of %s",
		 progress->change->is_growth ? "grown" : "shrunk", done, all);
}

/* On a terminal the same line again and again; else a line a second. */
static void show(struct progress *progress, const char *doing)
{
	static time_t last;
	bool is_terminal = isatty(STDERR_FILENO);
	time_t now = time(NULL);
	char line[128];

	if (!is_terminal && now == last && !is_done(progress))
		return;
	last = now;
	print_state(progress, line, sizeof(line));
	fprintf(stderr, "%s%s%s%s", is_terminal ? "\r" : "", line, doing,
		is_terminal ? "\033[K" : "\n");
	fflush(stderr);
	progress->is_shown = is_terminal;
}

static void end_show(struct progress *progress)
{
	if (progress->is_shown)
		fputc('\n', stderr);
	progress->is_shown = false;
}

static void print_cap(void)
{
	char cap[32];

	if (sys_read(cap, sizeof(cap),
		     "/sys/module/hugespan/parameters/cap_percent"))
		strcpy(cap, "?");
	cli_error("the pool has all that it may take: cap_percent is %s", cap);
	cli_fix("sudo %s pool unload && sudo %s pool load SIZE --cap-percent N",
		cli_self(), cli_self());
}

static void print_reason(const struct progress *progress, int err)
{
	const struct pool_change *change = progress->change;

	switch (err) {
	case -ENOSPC:
		print_cap();
		break;
	case -ENOMEM:
		cli_error("the rest of the system would be left with less than"
			  " its head-room");
		cli_fix("end what uses memory, or load the module with"
			" another --headroom");
		break;
	case -EAGAIN:
		cli_error("there is no huge page left%s, and compaction makes"
			  " no more", change->node ? " on the node" : "");
		cli_fix("end what uses memory, or load the pool at boot, when"
			" memory is in one piece");
		break;
	case -EBUSY:
		cli_error("the rest is in use");
		cli_fix("%s stat --all shows who has it", cli_self());
		break;
	case -EINTR:
		cli_error("interrupted");
		break;
	default:
		cli_error("%s/nr_target: %s", progress->folder,
			  strerror(-err));
	}
}

/* ---- doing it ----------------------------------------------------------- */

static uint64_t next_target(const struct progress *progress)
{
	uint64_t nr_left = distance(progress->nr_now, progress->nr_wanted);
	uint64_t step = distance(progress->nr_first, progress->nr_wanted) /
			NR_STEPS;

	if (step < STEP_UNITS_MIN)
		step = STEP_UNITS_MIN;
	if (step > nr_left)
		step = nr_left;
	return progress->change->is_growth ? progress->nr_now + step :
					     progress->nr_now - step;
}

/* 0, or what ended it. */
static int change_in_steps(struct progress *progress)
{
	uint64_t nr_compacted = UINT64_MAX;	/* units at the last time */
	int err;

	while (!is_done(progress)) {
		if (caught)
			return -EINTR;
		err = ask_for(progress, next_target(progress));
		if (read_size(progress))
			return -ENODEV;
		/* Once more for as long as compaction makes a difference. */
		if (err == -EAGAIN && progress->nr_now != nr_compacted) {
			nr_compacted = progress->nr_now;
			show(progress, ", compacting memory");
			compact(progress->change);
			continue;
		}
		if (err)
			return err;
		show(progress, "");
	}
	return 0;
}

static int report(struct progress *progress, int err)
{
	struct pool_info info;
	char line[128];

	end_show(progress);
	if (!pool_info_read(&info))
		pool_info_print(&info, 0);
	pool_info_free(&info);
	if (!err)
		return CLI_OK;
	fflush(stdout);
	print_state(progress, line, sizeof(line));
	cli_error("%s", line);
	print_reason(progress, err);
	return CLI_FAILED;
}

/* The figures before it begins. CLI_OK: go on. */
static int begin(struct progress *progress, uint64_t bytes)
{
	const struct pool_change *change = progress->change;
	uint64_t nr;

	if (!sys_exists(SYSFS)) {
		pool_info_not_loaded();
		return CLI_FAILED;
	}
	strcpy(progress->folder, SYSFS);
	if (change->node)
		snprintf(progress->folder, sizeof(progress->folder),
			 SYSFS "/node%s", change->node);
	if (!sys_exists("%s", progress->folder)) {
		cli_error("node %s has no pool", change->node);
		return CLI_FAILED;
	}
	if (sys_read_u64(&progress->unit_bytes, SYSFS "/unit_bytes") ||
	    !progress->unit_bytes || read_size(progress)) {
		cli_error("the module that is loaded cannot change its pool's"
			  " size");
		cli_fix("sudo %s pool unload && sudo %s pool load SIZE",
			cli_self(), cli_self());
		return CLI_FAILED;
	}
	nr = bytes / progress->unit_bytes + !!(bytes % progress->unit_bytes);
	progress->nr_first = progress->nr_now;
	if (change->is_growth)
		progress->nr_wanted = progress->nr_now + nr;
	else
		progress->nr_wanted = progress->nr_now > nr ?
				      progress->nr_now - nr : 0;
	return CLI_OK;
}

int pool_change_run(const struct pool_change *change)
{
	struct progress progress = { .change = change };
	const char *end;
	uint64_t bytes;
	int code;

	if (text_parse_bytes(change->size, &bytes, &end) || *end || !bytes)
		return cli_usage("%s takes a size (512M, 2G), not '%s'",
				 verb_of(change), change->size);
	code = begin(&progress, bytes);
	if (code)
		return code;
	if (change->want_print) {
		printf("echo %ju > %s/nr_target\n",
		       (uintmax_t)progress.nr_wanted, progress.folder);
		return CLI_OK;
	}
	code = rights_check("change the pool's size", "pool %s %s%s%s",
			    verb_of(change), change->size,
			    change->node ? " --node " : "",
			    change->node ? change->node : "");
	if (code)
		return code;
	catch_signals();
	return report(&progress, change_in_steps(&progress));
}

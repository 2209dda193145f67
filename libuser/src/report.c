// SPDX-License-Identifier: MIT
/*
 * hs_stats_format(): status and figures as text and JSON, from one table of
 * the fields. No malloc, no stdio: it also runs at exit and in odd places.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "backend.h"
#include "heap.h"
#include "hs_mode.h"
#include "hugespan.h"
#include "options.h"
#include "sys.h"

struct field {
	const char *name;	/* JSON key, with its unit */
	const char *label;	/* text; NULL: not in the text */
	size_t offset;		/* of a uint64_t in struct hs_stats */
};

#define FIELD(member, label) { #member, label, offsetof(struct hs_stats, member) }

static const struct field fields[] = {
	FIELD(mapped_bytes, "mapped from the backend"),
	FIELD(mapped_peak_bytes, "at the most"),
	FIELD(in_use_bytes, "in use by the program"),
	FIELD(cpu_cached_bytes, "free in CPU caches"),
	FIELD(transfer_cached_bytes, "free in transfer caches"),
	FIELD(central_free_bytes, "free in partly used runs"),
	FIELD(page_free_bytes, "free pages"),
	FIELD(slack_bytes, "tails of runs"),
	FIELD(meta_bytes, "metadata, apart"),
	FIELD(nr_units, "units held"),
	FIELD(nr_units_mapped_total, "units taken since start"),
	FIELD(nr_units_returned_total, "units given back since start"),
	FIELD(nr_backend_refusals, "refusals by the backend"),
	FIELD(nr_fallback_units, "units from a lesser backend"),
	FIELD(nr_forks, "forks"),
	FIELD(nr_units_remapped, "units made private at forks"),
};

/* Appends to buf like snprintf, counting what does not fit. */
struct out {
	char *buf;
	size_t size;
	size_t len;
};

static void emit(struct out *o, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

static void emit(struct out *o, const char *fmt, ...)
{
	bool room = o->len < o->size;
	va_list ap;

	va_start(ap, fmt);
	o->len += hs_sys_vformat(room ? o->buf + o->len : NULL,
				 room ? o->size - o->len : 0, fmt, ap);
	va_end(ap);
}

static unsigned long field_value(const struct hs_stats *st,
				 const struct field *f)
{
	return *(const uint64_t *)((const char *)st + f->offset);
}

/* Who reports: children inherit HUGESPAN_STATS and report as well. */
struct reporter {
	long pid;
	char program[32];	/* printable, and nothing JSON would escape */
};

static void find_reporter(struct reporter *who)
{
	ssize_t n = hs_sys_read_file("/proc/self/comm", who->program,
				     sizeof(who->program));
	char *c = who->program;

	who->pid = hs_sys_call(SYS_getpid, 0, 0, 0, 0, 0, 0);
	if (n < 0)
		n = 0;
	for (; c < who->program + n && *c != '\n'; c++)
		if (*c < ' ' || *c > '~' || *c == '"' || *c == '\\')
			*c = '_';
	*c = '\0';
}

static void emit_text(struct out *o, const struct hs_status *status,
		      const struct hs_stats *st)
{
	struct reporter who;
	size_t i;

	find_reporter(&who);
	emit(o, "hugespan %s in %s[%ld]: %s backend, unit of %zu KiB, %s caches%s%s%s\n",
	     status->version, who.program, who.pid,
	     hs_backend_name(status->backend),
	     status->unit_bytes >> 10, status->cache_mode,
	     *status->cache_reason ? " (" : "", status->cache_reason,
	     *status->cache_reason ? ")" : "");
	for (i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		emit(o, "  %-30s %15lu\n", fields[i].label,
		     field_value(st, &fields[i]));
}

static void emit_json(struct out *o, const struct hs_status *status,
		      const struct hs_stats *st)
{
	struct reporter who;
	size_t i;

	find_reporter(&who);
	emit(o, "{\"version\":\"%s\",\"pid\":%ld,\"program\":\"%s\","
	     "\"backend\":\"%s\",\"unit_bytes\":%zu,"
	     "\"cache_mode\":\"%s\",\"cache_reason\":\"%s\"",
	     status->version, who.pid, who.program,
	     hs_backend_name(status->backend), status->unit_bytes,
	     status->cache_mode, status->cache_reason);
	for (i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		emit(o, ",\"%s\":%lu", fields[i].name,
		     field_value(st, &fields[i]));
	emit(o, "}\n");
}

HS_EXPORT int hs_stats_format(char *buf, size_t size, enum hs_format format)
{
	struct hs_status status = { .struct_size = sizeof(status) };
	struct hs_stats st = { .struct_size = sizeof(st) };
	struct out o = { .buf = buf, .size = size };

	if (format != HS_TEXT && format != HS_JSON)
		return -EINVAL;
	hs_status(&status);
	hs_stats(&st);
	if (format == HS_JSON)
		emit_json(&o, &status, &st);
	else
		emit_text(&o, &status, &st);
	return (int)o.len;
}

HS_EXPORT int hs_stats_write(int fd, enum hs_format format)
{
	char buf[4096];
	int len = hs_stats_format(buf, sizeof(buf), format);

	return len < 0 ? len : hs_sys_write_all(fd, buf, len);
}

/* ---- at exit ------------------------------------------------------------- */

/*
 * Programs close their standard output and error before our destructor runs
 * (coreutils does, from atexit). So the report has a descriptor of its own,
 * out of the way, and goes there if that still is the file it was. Where there
 * was no such descriptor at the start, the one of the number at the end serves.
 */
#define STATS_FD_FLOOR 900

static int own_fd = -1;
static struct stat own_file;

static bool is_own_file(int fd)
{
	struct stat st;

	return fd >= 0 && !fstat(fd, &st) && st.st_dev == own_file.st_dev &&
	       st.st_ino == own_file.st_ino;
}

__attribute__((constructor)) static void keep_stats_fd(void)
{
	int saved = errno;

	if (hs_opt.stats_fd >= 0 && !fstat(hs_opt.stats_fd, &own_file))
		own_fd = (int)hs_sys_call(SYS_fcntl, hs_opt.stats_fd,
					  F_DUPFD_CLOEXEC, STATS_FD_FLOOR,
					  0, 0, 0);
	errno = saved;
}

__attribute__((destructor)) static void write_at_exit(void)
{
	if (hs_opt.stats_fd < 0)
		return;
	if (is_own_file(own_fd))
		hs_stats_write(own_fd, hs_opt.stats_format);
	else if (own_fd < 0 || is_own_file(hs_opt.stats_fd))
		hs_stats_write(hs_opt.stats_fd, hs_opt.stats_format);
}

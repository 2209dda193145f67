// SPDX-License-Identifier: MIT
/* What processes hold of the device, as a table and as JSON. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alloc.h"
#include "cli.h"
#include "procinfo.h"
#include "procstat.h"
#include "text.h"

struct proc_stat {
	int nr;
	struct proc_info *infos;
	int nr_hidden;		/* of all: could not be read by this user */
};

static void append(struct proc_stat *stat, const struct proc_info *info)
{
	stat->infos = xrealloc(stat->infos,
			       (stat->nr + 1) * sizeof(*stat->infos));
	stat->infos[stat->nr++] = *info;
}

struct proc_stat *proc_stat_all(void)
{
	struct proc_stat *stat = xcalloc(1, sizeof(*stat));
	struct proc_info info;
	int i, nr;
	pid_t *pids = proc_list(&nr);

	for (i = 0; i < nr; i++) {
		if (proc_info_read(&info, pids[i]))
			continue;	/* ended meanwhile */
		if (proc_info_holds(&info)) {
			append(stat, &info);
			continue;
		}
		stat->nr_hidden += info.files_error == EACCES ||
				   info.maps_error == EACCES;
		proc_info_free(&info);
	}
	free(pids);
	return stat;
}

struct proc_stat *proc_stat_some(const pid_t *pids, int nr, int *code)
{
	struct proc_stat *stat = xcalloc(1, sizeof(*stat));
	struct proc_info info;
	int i;

	for (i = 0; i < nr; i++) {
		int err;

		if (proc_info_read(&info, pids[i])) {
			cli_error("there is no process %d", pids[i]);
			*code = CLI_FAILED;
			continue;
		}
		append(stat, &info);
		err = info.files_error ? info.files_error : info.maps_error;
		if (!err)
			continue;
		cli_error("process %d (%s) may not be read: %s", pids[i],
			  info.command, strerror(err));
		cli_fix("run this as root, or as the user of the process");
		*code = CLI_FAILED;
	}
	return stat;
}

void proc_stat_free(struct proc_stat *stat)
{
	int i;

	if (!stat)
		return;
	for (i = 0; i < stat->nr; i++)
		proc_info_free(&stat->infos[i]);
	free(stat->infos);
	free(stat);
}

/* A process's name is its own choice: no control characters on a terminal. */
static void cell_command(struct text_table *table, const char *command)
{
	char clean[sizeof(((struct proc_info *)0)->command)];
	size_t i;

	for (i = 0; command[i]; i++)
		clean[i] = (unsigned char)command[i] < 0x20 ||
			   command[i] == 0x7f ? '?' : command[i];
	clean[i] = '\0';
	text_cell(table, "%s", clean);
}

static void print_row(struct text_table *table, const struct proc_info *info)
{
	const struct proc_maps *maps = &info->maps;
	const uint64_t bytes[] = {
		maps->size_bytes, maps->rss_bytes, maps->pss_bytes,
		maps->huge_bytes, maps->private_dirty_bytes,
		maps->anonymous_bytes,
	};
	uint64_t nr_spans = 0, held = 0;
	int i;

	for (i = 0; i < info->nr_files; i++) {
		nr_spans += info->files[i].nr_spans;
		held += info->files[i].bytes;
	}
	text_cell(table, "%d", info->pid);
	cell_command(table, info->command);
	if (info->files_error) {
		text_cell(table, "-");
		text_cell(table, "-");
	} else {
		text_cell(table, "%ju", (uintmax_t)nr_spans);
		text_cell_bytes(table, held);
	}
	for (i = 0; i < (int)ARRAY_SIZE(bytes); i++) {
		if (info->maps_error)
			text_cell(table, "-");
		else
			text_cell_bytes(table, bytes[i]);
	}
}

void proc_stat_print(const struct proc_stat *stat)
{
	static const char *const titles[] = {
		">pid", "command", ">spans", ">held", ">mapped", ">resident",
		">proportional", ">by huge pages", ">private dirty",
		">copied",
	};
	struct text_table table;
	int i;

	if (stat->nr) {
		text_table_begin(&table, titles, ARRAY_SIZE(titles));
		for (i = 0; i < stat->nr; i++)
			print_row(&table, &stat->infos[i]);
		text_table_end(&table, 0);
	} else {
		puts("no process that this user may read has anything of the"
		     " device");
	}
	if (stat->nr_hidden)
		printf("%d processes may not be read by this user; as root"
		       " all are seen\n", stat->nr_hidden);
}

static void files_json(struct json *json, const struct proc_info *info)
{
	int i;

	if (info->files_error) {
		json_null(json, "files");
		return;
	}
	json_array(json, "files");
	for (i = 0; i < info->nr_files; i++) {
		const struct proc_file *file = &info->files[i];

		json_object(json, NULL);
		json_i64(json, "fd", file->fd);
		json_u64(json, "owner_id", file->owner_id);
		json_u64(json, "spans", file->nr_spans);
		json_u64(json, "units", file->nr_units);
		json_u64(json, "bytes", file->bytes);
		json_end(json);
	}
	json_end(json);
}

static void maps_json(struct json *json, const struct proc_info *info)
{
	const struct proc_maps *maps = &info->maps;

	if (info->maps_error) {
		json_null(json, "mappings");
		return;
	}
	json_object(json, "mappings");
	json_u64(json, "count", maps->nr);
	json_u64(json, "size_bytes", maps->size_bytes);
	json_u64(json, "rss_bytes", maps->rss_bytes);
	json_u64(json, "pss_bytes", maps->pss_bytes);
	json_u64(json, "file_pmd_mapped_bytes", maps->huge_bytes);
	json_u64(json, "private_dirty_bytes", maps->private_dirty_bytes);
	json_u64(json, "anonymous_bytes", maps->anonymous_bytes);
	json_end(json);
}

void proc_stat_json(struct json *json, const struct proc_stat *stat)
{
	int i;

	json_array(json, "processes");
	for (i = 0; i < stat->nr; i++) {
		const struct proc_info *info = &stat->infos[i];

		json_object(json, NULL);
		json_i64(json, "pid", info->pid);
		json_string(json, "command", info->command);
		files_json(json, info);
		maps_json(json, info);
		json_end(json);
	}
	json_end(json);
	json_i64(json, "processes_not_readable", stat->nr_hidden);
}

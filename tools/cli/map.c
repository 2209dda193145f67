// SPDX-License-Identifier: MIT
/* hugespan map: which unit of the pool is whose. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cli.h"
#include "json.h"
#include "mapdraw.h"
#include "mapinfo.h"
#include "poolinfo.h"

struct map_options {
	bool want_json;
	const char *svg;	/* --svg FILE */
};

static void run_json(struct json *json, const struct pool_map *map,
		     const struct map_run *run)
{
	json_object(json, NULL);
	json_u64(json, "offset_bytes", run->start * map->unit_bytes);
	json_u64(json, "size_bytes", run->nr_units * map->unit_bytes);
	json_string(json, "state", map_state_names[run->state]);
	if (run->has_holder) {
		json_u64(json, "owner", run->owner);
		json_i64(json, "pid", run->pid);
		json_string(json, "command", run->comm);
		json_u64(json, "order", run->order);
		json_u64(json, "mappings", run->nr_mappings);
	}
	json_end(json);
}

static void print_json(const struct pool_map *map)
{
	struct json json;
	int i, j;

	json_start(&json, stdout, false);
	json_object(&json, NULL);
	json_u64(&json, "unit_bytes", map->unit_bytes);
	json_array(&json, "nodes");
	for (i = 0; i < map->nr_nodes; i++) {
		json_object(&json, NULL);
		json_i64(&json, "node", map->nodes[i].node);
		json_array(&json, "runs");
		for (j = 0; j < map->nodes[i].nr_runs; j++)
			run_json(&json, map, &map->nodes[i].runs[j]);
		json_end(&json);
		json_end(&json);
	}
	json_end(&json);
	json_end(&json);
	json_finish(&json);
}

static int write_svg(const struct pool_map *map, const char *path)
{
	FILE *out = fopen(path, "we");
	int err = 0;

	if (!out) {
		cli_error("%s: %s", path, strerror(errno));
		return CLI_FAILED;
	}
	map_draw_svg(map, out);
	if (ferror(out))
		err = EIO;
	if (fclose(out) && !err)
		err = errno;
	if (err) {
		cli_error("%s: %s", path, strerror(err));
		return CLI_FAILED;
	}
	return CLI_OK;
}

static void explain(int err)
{
	switch (err) {
	case -ENODEV:
		pool_info_not_loaded();
		break;
	case -EACCES:
	case -EPERM:
		cli_error("who holds what is for root to see");
		cli_fix("sudo %s map", cli_self());
		break;
	case -ENOENT:
		cli_error("there is no map in /sys/kernel/debug/hugespan");
		cli_fix("sudo mount -t debugfs none /sys/kernel/debug");
		break;
	default:
		cli_error("/sys/kernel/debug/hugespan: %s", strerror(-err));
	}
}

static int run_map(int argc, char **argv)
{
	static const struct option table[] = {
		CLI_HELP_OPTION,
		CLI_JSON_OPTION,
		{ "svg", required_argument, NULL, 's' },
		{ }
	};
	struct map_options options = { 0 };
	struct pool_map map;
	int letter, err, code = CLI_OK;

	while ((letter = cli_getopt(argc, argv, "hj", table)) != -1) {
		if (letter == 'j')
			options.want_json = true;
		else if (letter == 's')
			options.svg = optarg;
	}
	if (optind < argc)
		return cli_usage("map takes no argument '%s'", argv[optind]);
	err = pool_map_read(&map);
	if (err) {
		explain(err);
		code = CLI_FAILED;
	} else if (options.svg) {
		code = write_svg(&map, options.svg);
	} else if (options.want_json) {
		print_json(&map);
	} else {
		map_draw_text(&map);
	}
	pool_map_free(&map);
	return code;
}

const struct cli_command cmd_map = {
	.name = "map",
	.summary = "Draw the pool: which part of it is whose",
	.usage = "[--json | --svg FILE]",
	.help =
		"A character is a unit of the pool, or several of a large one:"
		" a letter is\n"
		"memory of the process that is named below. For root, since it"
		" shows who\n"
		"holds what.\n"
		"\n"
		"Options:\n"
		"      --svg FILE  write a picture into FILE\n"
		"  -j, --json      print JSON\n"
		"  -h, --help      this text\n"
		"\n"
		"Exit codes: 0; 1 there is no map, with the reason; 2 bad"
		" usage.\n",
	.run = run_map,
};

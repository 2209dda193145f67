// SPDX-License-Identifier: MIT
/*
 * hugespan status: the device and its pool, and where a program started now
 * would get its memory from. Needs neither the module nor root.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <hugespan.h>

#include "cli.h"
#include "json.h"
#include "poolinfo.h"
#include "sysroot.h"
#include "text.h"

/* Why the device cannot be used, or "". */
static const char *device_reason(const struct pool_info *info)
{
	if (!info->open_error)
		return "";
	if (!info->is_loaded)
		return "the module is not loaded";
	switch (info->open_error) {
	case ENOENT:
		return "the node does not exist, though the module is loaded";
	case EACCES:
	case EPERM:
		return "this user may not open it";
	case ENOTTY:
		return "this is not the device of the hugespan module";
	default:
		return strerror(info->open_error);
	}
}

static void print_device(const struct pool_info *info)
{
	const char *reason = device_reason(info);
	char unit[TEXT_BYTES_MAX];

	printf("%-10s%s", "device", sys_device_path());
	if (info->is_loaded)
		printf(", API version %u, unit %s, %d node%s",
		       info->api_version, text_bytes(unit, info->unit_bytes),
		       info->nr_nodes, info->nr_nodes == 1 ? "" : "s");
	putchar('\n');
	if (*reason)
		printf("%-10s%snot usable: %s%s\n%-10s"
		       "'%s doctor' says how to mend it\n",
		       "", text_style(TEXT_YELLOW), reason,
		       text_style(TEXT_PLAIN), "", cli_self());
	if (info->is_loaded)
		pool_info_print(info, 10);
}

/* One that was asked for by name and does not work is not replaced. */
static bool can_serve(const struct hs_status *status)
{
	return status->backends[status->backend].usable;
}

static void print_library(const struct hs_status *status)
{
	char unit[TEXT_BYTES_MAX];
	int i;

	if (can_serve(status))
		printf("%-10s%s%s%s, unit %s%s\n", "backend",
		       text_style(TEXT_BOLD),
		       hs_backend_name(status->backend),
		       text_style(TEXT_PLAIN),
		       text_bytes(unit, status->unit_bytes),
		       status->backend_asked == HS_BACKEND_AUTO ? "" :
		       ", as HUGESPAN_BACKEND asks");
	else
		printf("%-10s%snone%s: HUGESPAN_BACKEND asks for %s\n",
		       "backend", text_style(TEXT_RED),
		       text_style(TEXT_PLAIN),
		       hs_backend_name(status->backend_asked));
	for (i = 0; i < HS_NR_BACKENDS; i++) {
		const struct hs_backend_status *b = &status->backends[i];

		printf("%-10s%-9s%s\n", "", hs_backend_name(i),
		       !b->usable ? b->reason :
		       i == status->backend ? "would be used" : "usable");
	}
	printf("%-10s%s%s%s\n", "caches", status->cache_mode,
	       *status->cache_reason ? ": " : "", status->cache_reason);
	if (status->preloaded)
		printf("%-10sserved by hugespan, in this very command\n",
		       "malloc");
	else
		printf("%-10sthe C library's own; '%s run -- COMMAND' changes"
		       " that\n", "malloc", cli_self());
}

static void print_text(const struct pool_info *info,
		       const struct hs_status *status)
{
	printf("%-10s%s\n", "version", status->version);
	print_device(info);
	print_library(status);
}

static void print_json(const struct pool_info *info,
		       const struct hs_status *status)
{
	const char *reason = device_reason(info);
	struct json json;
	int i;

	json_start(&json, stdout, false);
	json_object(&json, NULL);
	json_string(&json, "version", status->version);
	json_object(&json, "device");
	json_string(&json, "path", sys_device_path());
	json_bool(&json, "loaded", info->is_loaded);
	json_bool(&json, "usable", !info->open_error);
	json_string(&json, "reason", *reason ? reason : NULL);
	if (info->is_loaded)
		json_u64(&json, "api_version", info->api_version);
	else
		json_null(&json, "api_version");
	json_end(&json);
	if (info->is_loaded)
		pool_info_json(&json, info);
	else
		json_null(&json, "pool");
	json_object(&json, "backend");
	json_string(&json, "name", can_serve(status) ?
		    hs_backend_name(status->backend) : NULL);
	json_string(&json, "asked", hs_backend_name(status->backend_asked));
	json_u64(&json, "unit_bytes", status->unit_bytes);
	json_end(&json);
	json_array(&json, "backends");
	for (i = 0; i < HS_NR_BACKENDS; i++) {
		const struct hs_backend_status *b = &status->backends[i];

		json_object(&json, NULL);
		json_string(&json, "name", hs_backend_name(i));
		json_bool(&json, "usable", b->usable);
		json_string(&json, "reason", *b->reason ? b->reason : NULL);
		json_end(&json);
	}
	json_end(&json);
	json_object(&json, "cache");
	json_string(&json, "mode", status->cache_mode);
	json_string(&json, "reason",
		    *status->cache_reason ? status->cache_reason : NULL);
	json_end(&json);
	json_bool(&json, "preloaded", status->preloaded);
	json_end(&json);
	json_finish(&json);
}

static int run_status(int argc, char **argv)
{
	static const struct option options[] = {
		CLI_HELP_OPTION,
		CLI_JSON_OPTION,
		{ }
	};
	struct hs_status status = { .struct_size = sizeof(status) };
	struct pool_info info;
	bool want_json = false;
	int err;

	while (cli_getopt(argc, argv, "hj", options) != -1)
		want_json = true;
	if (optind < argc)
		return cli_usage("unexpected argument '%s'", argv[optind]);
	err = hs_status(&status);
	if (err) {
		cli_error("libhugespan does not answer: %s", strerror(-err));
		cli_fix("use the libhugespan.so that came with this command");
		return CLI_FAILED;
	}
	pool_info_read(&info);
	if (want_json)
		print_json(&info, &status);
	else
		print_text(&info, &status);
	pool_info_free(&info);
	return CLI_OK;
}

const struct cli_command cmd_status = {
	.name = "status",
	.summary = "Show the device, its pool, and what a program would get",
	.usage = "[--json]",
	.help =
		"Options:\n"
		"  -j, --json  print JSON\n"
		"  -h, --help  this text\n"
		"\n"
		"Exit codes: 0, also where there is no device; 1 the library"
		" does not answer;\n"
		"2 bad usage.\n",
	.run = run_status,
};

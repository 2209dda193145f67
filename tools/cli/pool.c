// SPDX-License-Identifier: MIT
/*
 * hugespan pool: show the pool; load the module with one, unload it. Growing
 * and shrinking are in poolsize.c.
 */
#include <errno.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "alloc.h"
#include "cli.h"
#include "json.h"
#include "klog.h"
#include "kmodule.h"
#include "poolarg.h"
#include "poolinfo.h"
#include "poolsize.h"
#include "procinfo.h"
#include "rights.h"
#include "sysroot.h"
#include "text.h"

#define MAX_ARGS 8

struct pool_options {
	bool want_json;
	bool want_print;
	const char *module;	/* --module PATH */
	const char *headroom;	/* --headroom SIZE */
	const char *cap_percent;	/* --cap-percent N */
	const char *floor;	/* --floor SIZE, or sizes by node */
	const char *node;	/* --node N */
};

static int show(const struct pool_options *options)
{
	struct pool_info info;
	struct json json;
	int err;

	err = pool_info_read(&info);
	if (err) {
		pool_info_not_loaded();
	} else if (options->want_json) {
		json_start(&json, stdout, false);
		json_object(&json, NULL);
		pool_info_json(&json, &info);
		json_end(&json);
		json_finish(&json);
	} else {
		pool_info_print(&info, 0);
	}
	pool_info_free(&info);
	return err ? CLI_FAILED : CLI_OK;
}

static void print_args(char *const *args)
{
	for (; *args; args++) {
		text_shell_word(*args);
		putchar(args[1] ? ' ' : '\n');
	}
}

/*
 * Run a command of the system and wait for it: its exit code as a shell has
 * it. Not by fork(2): the library would open the device for a child.
 */
static int run_and_wait(char *const *args)
{
	int status, err;
	pid_t pid;

	fflush(stdout);
	err = posix_spawnp(&pid, args[0], NULL, NULL, args, environ);
	if (err) {
		cli_error("%s: %s", args[0], strerror(err));
		return CLI_NOT_FOUND;
	}
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return CLI_FAILED;
	return WIFEXITED(status) ? WEXITSTATUS(status) :
	       128 + WTERMSIG(status);
}

/* The module's file; says what to do when there is none. */
static int find_module(const struct pool_options *options,
		       struct kmodule *module)
{
	const char *release = sys_kernel_release();

	if (options->module) {
		if (!realpath(options->module, module->path)) {
			cli_error("--module %s: %s", options->module,
				  strerror(errno));
			return CLI_FAILED;
		}
		module->is_installed = false;
		kmodule_read_file(module);
	}
	if (!module->path[0]) {
		cli_error("there is no hugespan.ko for the running kernel, %s",
			  release);
		cli_fix("in the source tree: make modules KDIR=/lib/modules/%s"
			"/build, then this again with --module"
			" build/kmod/%s/hugespan.ko", release, release);
		return CLI_FAILED;
	}
	if (module->file_release[0] &&
	    strcmp(module->file_release, release) != 0) {
		cli_error("%s is built for kernel %s, this is %s",
			  module->path, module->file_release, release);
		cli_fix("in the source tree: make modules KDIR=/lib/modules/%s"
			"/build", release);
		return CLI_FAILED;
	}
	return CLI_OK;
}

/* The pool that came of it, beside what was asked for. */
static int report_loaded(uint64_t asked, int log)
{
	char got[TEXT_BYTES_MAX], want[TEXT_BYTES_MAX];
	struct pool_info info;
	uint64_t bytes;

	if (pool_info_read(&info)) {
		cli_error("the module was loaded, but /sys/kernel/hugespan is"
			  " not there");
		if (!klog_print(log))
			cli_fix("sudo dmesg | grep hugespan");
		pool_info_free(&info);
		return CLI_FAILED;
	}
	bytes = pool_bytes(&info, info.total.nr_units);
	pool_info_print(&info, 0);
	if (bytes < asked) {
		cli_error("the pool has %s of the %s asked for",
			  text_bytes(got, bytes), text_bytes(want, asked));
		klog_print(log);
	} else if (log >= 0) {
		close(log);
	}
	pool_info_free(&info);
	return CLI_OK;
}

static int load_and_report(char *const *args, uint64_t asked)
{
	int log = klog_open();
	int status = run_and_wait(args);

	if (status == 0)
		return report_loaded(asked, log);
	cli_error("%s failed with exit code %d", args[0], status);
	if (!klog_print(log))
		cli_fix("the kernel's reason is in: sudo dmesg | tail");
	return CLI_FAILED;
}

static int load(const struct pool_options *options, const char *size)
{
	char *args[MAX_ARGS], *owned[4];
	int nr = 0, nr_owned = 0, code, i;
	struct kmodule module;
	uint64_t asked;
	char why[256];

	if (pool_arg_check(size, &asked, why, sizeof(why)))
		return cli_usage("%s", why);
	kmodule_read(&module);
	if (module.is_loaded) {
		cli_error("the module is loaded already");
		cli_fix("sudo %s pool unload && sudo %s pool load %s",
			cli_self(), cli_self(), size);
		return CLI_FAILED;
	}
	code = find_module(options, &module);
	if (code)
		return code;
	args[nr++] = module.is_installed ? "modprobe" : "insmod";
	args[nr++] = module.is_installed ? "hugespan" : module.path;
	owned[nr_owned++] = xasprintf("pool=%s", size);
	if (options->headroom)
		owned[nr_owned++] = xasprintf("headroom=%s",
					      options->headroom);
	if (options->cap_percent)
		owned[nr_owned++] = xasprintf("cap_percent=%s",
					      options->cap_percent);
	if (options->floor)
		owned[nr_owned++] = xasprintf("floor=%s", options->floor);
	for (i = 0; i < nr_owned; i++)
		args[nr++] = owned[i];
	args[nr] = NULL;
	if (options->want_print)
		print_args(args);
	else
		code = rights_check("load the module", "pool load %s", size);
	if (!options->want_print && code == CLI_OK)
		code = load_and_report(args, asked);
	for (i = 0; i < nr_owned; i++)
		free(owned[i]);
	return code;
}

/* Who keeps the module in use: one line each. */
static void print_holders(void)
{
	struct proc_info info;
	int i, nr;
	pid_t *pids = proc_list(&nr);

	for (i = 0; i < nr; i++) {
		if (proc_info_read(&info, pids[i]))
			continue;
		if (proc_info_holds(&info))
			fprintf(stderr, "  process %d (%s): files: %d,"
				" mappings: %ju\n", info.pid, info.command,
				info.nr_files, (uintmax_t)info.maps.nr);
		proc_info_free(&info);
	}
	free(pids);
}

static int unload(const struct pool_options *options)
{
	char *const args[] = { "rmmod", "hugespan", NULL };
	struct kmodule module;
	int code, status;

	/* The library opened the device when this command began. */
	close_range(STDERR_FILENO + 1, ~0u, 0);
	kmodule_read(&module);
	if (!module.is_loaded) {
		cli_error("the module is not loaded");
		return CLI_FAILED;
	}
	if (options->want_print) {
		print_args(args);
		return CLI_OK;
	}
	if (module.nr_users) {
		cli_error("the module is in use:");
		print_holders();
		cli_fix("end these processes, then: sudo %s pool unload",
			cli_self());
		return CLI_FAILED;
	}
	code = rights_check("unload the module", "pool unload");
	if (code)
		return code;
	status = run_and_wait(args);
	if (status) {
		cli_error("rmmod failed with exit code %d", status);
		cli_fix("the kernel's reason is in: sudo dmesg | tail");
		return CLI_FAILED;
	}
	return CLI_OK;
}

static int change_size(const struct pool_options *options, bool is_growth,
		       const char *size)
{
	const struct pool_change change = {
		.is_growth = is_growth,
		.size = size,
		.node = options->node,
		.want_print = options->want_print,
	};

	return pool_change_run(&change);
}

static int parse(struct pool_options *options, int argc, char **argv)
{
	static const struct option table[] = {
		CLI_HELP_OPTION,
		CLI_JSON_OPTION,
		{ "print", no_argument, NULL, 'p' },
		{ "module", required_argument, NULL, 'm' },
		{ "headroom", required_argument, NULL, 'r' },
		{ "cap-percent", required_argument, NULL, 'c' },
		{ "floor", required_argument, NULL, 'f' },
		{ "node", required_argument, NULL, 'n' },
		{ }
	};
	static const char digits[] = "0123456789";
	const char *end;
	uint64_t value;
	char why[256];
	int letter;

	while ((letter = cli_getopt(argc, argv, "hj", table)) != -1) {
		switch (letter) {
		case 'j':
			options->want_json = true;
			break;
		case 'p':
			options->want_print = true;
			break;
		case 'm':
			options->module = optarg;
			break;
		case 'r':
			if (text_parse_bytes(optarg, &value, &end) || *end)
				return cli_usage("--headroom takes a size"
						 " (512M, 2G), not '%s'",
						 optarg);
			options->headroom = optarg;
			break;
		case 'c':
			if (!*optarg || optarg[strspn(optarg, digits)])
				return cli_usage("--cap-percent takes a"
						 " number, not '%s'", optarg);
			options->cap_percent = optarg;
			break;
		case 'f':
			/* No floor at all is a floor too. */
			if (strcmp(optarg, "0") != 0 &&
			    pool_arg_check(optarg, &value, why, sizeof(why)))
				return cli_usage("--floor: %s", why);
			options->floor = optarg;
			break;
		case 'n':
			if (!*optarg || optarg[strspn(optarg, digits)] ||
			    strlen(optarg) > 4)
				return cli_usage("--node takes the number of a"
						 " node, not '%s'", optarg);
			options->node = optarg;
			break;
		}
	}
	return CLI_OK;
}

static int run_pool(int argc, char **argv)
{
	static const char *const verbs[] = {
		"load", "unload", "grow", "shrink",
	};
	struct pool_options options = { 0 };
	const char *verb;
	int code;

	code = parse(&options, argc, argv);
	if (code)
		return code;
	argc -= optind;
	argv += optind;
	if (argc == 0)
		return show(&options);
	verb = argv[0];
	if (strcmp(verb, "load") == 0) {
		if (argc != 2)
			return cli_usage("load takes one size: 512M, or"
					 " 0:512M,1:256M");
		return load(&options, argv[1]);
	}
	if (strcmp(verb, "unload") == 0) {
		if (argc != 1)
			return cli_usage("unload takes no argument");
		return unload(&options);
	}
	if (strcmp(verb, "grow") == 0 || strcmp(verb, "shrink") == 0) {
		if (argc != 2)
			return cli_usage("%s takes one size: by how much, as in"
					 " 512M", verb);
		return change_size(&options, *verb == 'g', argv[1]);
	}
	if (strcmp(verb, "resize") == 0)
		return cli_usage("there is no 'pool resize': say by how much,"
				 " 'pool grow SIZE' or 'pool shrink SIZE'");
	code = cli_nearest(verb, verbs, ARRAY_SIZE(verbs));
	if (code >= 0)
		return cli_usage("there is no 'pool %s'; did you mean"
				 " 'pool %s'?", verb, verbs[code]);
	return cli_usage("there is no 'pool %s'", verb);
}

const struct cli_command cmd_pool = {
	.name = "pool",
	.summary = "Show the pool; load it, change its size, or unload it",
	.usage = "[--json] | load|grow|shrink SIZE [OPTION...] | unload",
	.help =
		"  pool             the pool of every node\n"
		"  pool load SIZE   load the module with a pool of that size:"
		" 512M, 2G; or of a\n"
		"                   size on each node: 0:512M,1:256M\n"
		"  pool grow SIZE   take so much more memory; stops where the"
		" system would be\n"
		"                   left with too little, and says why\n"
		"  pool shrink SIZE give so much back; never what somebody"
		" holds\n"
		"  pool unload      unload it; refused while a process uses"
		" it\n"
		"\n"
		"Options:\n"
		"      --print          print the command that would be run,"
		" and run nothing\n"
		"      --module PATH    load this hugespan.ko; else the"
		" installed one, else\n"
		"                       the one that 'make modules' put beside"
		" this command\n"
		"      --headroom SIZE  memory that the pool leaves to the rest"
		" of the system\n"
		"      --cap-percent N  at most this part of the memory for the"
		" pool\n"
		"      --floor SIZE     what the pool keeps when the system is"
		" short of memory;\n"
		"                       else all that it is loaded with\n"
		"      --node N         grow or shrink on this node; else on"
		" all, evenly\n"
		"  -j, --json           print JSON\n"
		"  -h, --help           this text\n"
		"\n"
		"Exit codes: 0; 1 it cannot be done, with the reason; 2 bad"
		" usage.\n",
	.run = run_pool,
};

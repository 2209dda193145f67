// SPDX-License-Identifier: MIT
/*
 * hugespan run: start a program with its malloc served by hugespan.
 *
 * The options are the library's environment variables, taken from its table;
 * a value is checked here by the library's own rule, so that a slip is an
 * error before the program starts and not a line in its output. The program
 * takes this process's place: signals and the exit code are its own.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <hugespan.h>

#include "alloc.h"
#include "cli.h"
#include "runcheck.h"
#include "shim.h"
#include "text.h"

enum { OPT_HELP_OPTIONS = 256, OPT_LIB, OPT_PRINT, OPT_FIRST_OF_LIBRARY };

static const struct option own_options[] = {
	CLI_HELP_OPTION,
	{ "help-options", no_argument, NULL, OPT_HELP_OPTIONS },
	{ "lib", required_argument, NULL, OPT_LIB },
	{ "print", no_argument, NULL, OPT_PRINT },
};

#define NR_OWN ARRAY_SIZE(own_options)

/*
 * What an option without "=VALUE" means: a switch ("0|1|...") is put on, and
 * statistics are wanted as text. The others need their value.
 */
static const char *bare_value(const struct hs_option_info *info)
{
	if (strncmp(info->values, "0|1", 3) == 0)
		return "1";
	if (strcmp(info->flag, "stats") == 0)
		return "text";
	return NULL;
}

static void print_options(void)
{
	static const char *const titles[] = {
		"option", "values", "default", "variable"
	};
	const struct hs_option_info *infos;
	struct text_table table;
	size_t i, nr;

	infos = hs_options(&nr);
	text_table_begin(&table, titles, 4);
	for (i = 0; i < nr; i++) {
		text_cell(&table, "--%s", infos[i].flag);
		text_cell(&table, "%s", infos[i].values);
		text_cell(&table, "%s", infos[i].default_value);
		text_cell(&table, "%s", infos[i].env);
	}
	text_table_end(&table, 0);
}

static void print_option_help(void)
{
	const struct hs_option_info *infos;
	size_t i, nr;

	infos = hs_options(&nr);
	puts("\nOptions for the program's memory, each a variable of its"
	     " environment:");
	for (i = 0; i < nr; i++) {
		const char *bare = bare_value(&infos[i]);

		printf("  --%s%s\n", infos[i].flag,
		       bare ? "[=VALUE]" : " VALUE");
		text_wrapped(6, infos[i].help);
		printf("%6sVALUE: %s; default %s", "", infos[i].values,
		       infos[i].default_value);
		if (bare)
			printf(", without VALUE %s", bare);
		putchar('\n');
	}
}

/* Its own options and the library's, for getopt_long. */
static struct option *all_options(void)
{
	const struct hs_option_info *infos;
	struct option *options;
	size_t i, nr;

	infos = hs_options(&nr);
	options = xcalloc(NR_OWN + nr + 1, sizeof(*options));
	memcpy(options, own_options, sizeof(own_options));
	for (i = 0; i < nr; i++)
		options[NR_OWN + i] = (struct option){
			.name = infos[i].flag,
			.has_arg = bare_value(&infos[i]) ? optional_argument :
				   required_argument,
			.val = OPT_FIRST_OF_LIBRARY + i,
		};
	return options;
}

static int set_option(const struct hs_option_info *info, const char *value)
{
	char why[256] = "";

	if (!value)
		value = bare_value(info);
	if (hs_option_check(info->env, value, why, sizeof(why))) {
		cli_error("--%s: %s", info->flag, why);
		return CLI_USAGE;
	}
	setenv(info->env, value, 1);
	return CLI_OK;
}

/* Behind what is preloaded already: a sanitizer, say, has to be first. */
static void append_preload(const char *shim)
{
	const char *old = getenv("LD_PRELOAD");
	size_t len = strlen(shim);
	const char *at;
	char *value;

	if (!old || !*old) {
		setenv("LD_PRELOAD", shim, 1);
		return;
	}
	for (at = strstr(old, shim); at; at = strstr(at + 1, shim))
		if ((at == old || at[-1] == ':' || at[-1] == ' ') &&
		    (!at[len] || at[len] == ':' || at[len] == ' '))
			return;
	value = xasprintf("%s:%s", old, shim);
	setenv("LD_PRELOAD", value, 1);
	free(value);
}

/* The variables that the command line amounts to, as `env` takes them. */
static void print_command(char **argv)
{
	const struct hs_option_info *infos;
	size_t i, nr;

	infos = hs_options(&nr);
	printf("env");
	for (i = 0; i < nr; i++) {
		const char *value = getenv(infos[i].env);

		if (value) {
			printf(" %s=", infos[i].env);
			text_shell_word(value);
		}
	}
	printf(" LD_PRELOAD=");
	text_shell_word(getenv("LD_PRELOAD"));
	for (; *argv; argv++) {
		putchar(' ');
		text_shell_word(*argv);
	}
	putchar('\n');
}

static int start(char **argv)
{
	int err;

	execvp(argv[0], argv);
	err = errno;
	cli_error("%s: %s", argv[0], err == ENOENT && !strchr(argv[0], '/') ?
		  "command not found" : strerror(err));
	return err == ENOENT ? CLI_NOT_FOUND : CLI_CANNOT_EXEC;
}

static int find_shim(const char *wanted, char shim[PATH_MAX])
{
	const char *why;

	if (wanted) {
		if (!realpath(wanted, shim)) {
			cli_error("--lib %s: %s", wanted, strerror(errno));
			return CLI_FAILED;
		}
	} else if (shim_find(shim)) {
		cli_error(SHIM_NAME " is not beside libhugespan.so, nor beside"
			  " this command");
		cli_fix("make, or give its path: %s run --lib PATH ...",
			cli_self());
		return CLI_FAILED;
	}
	why = shim_bad_path(shim);
	if (why) {
		cli_error("%s: %s", shim, why);
		cli_fix("give the path of a copy of it: %s run --lib PATH ...",
			cli_self());
		return CLI_FAILED;
	}
	return CLI_OK;
}

static int run_run(int argc, char **argv)
{
	const struct hs_option_info *infos;
	struct option *options = all_options();
	const char *lib = NULL;
	bool want_print = false;
	char shim[PATH_MAX];
	int letter, code;
	size_t nr;

	infos = hs_options(&nr);
	/* "+": what follows the command is the command's. */
	while ((letter = cli_getopt(argc, argv, "+h", options)) != -1) {
		switch (letter) {
		case OPT_HELP_OPTIONS:
			print_options();
			free(options);
			return CLI_OK;
		case OPT_LIB:
			lib = optarg;
			break;
		case OPT_PRINT:
			want_print = true;
			break;
		default:
			code = set_option(&infos[letter - OPT_FIRST_OF_LIBRARY],
					  optarg);
			if (code) {
				free(options);
				return code;
			}
		}
	}
	free(options);
	if (optind == argc)
		return cli_usage("which command?");
	code = find_shim(lib, shim);
	if (code)
		return code;
	append_preload(shim);
	if (want_print) {
		print_command(argv + optind);
		return CLI_OK;
	}
	run_check(argv[optind]);
	return start(argv + optind);
}

const struct cli_command cmd_run = {
	.name = "run",
	.summary = "Start a program with its malloc served by hugespan",
	.usage = "[OPTION...] [--] COMMAND [ARGUMENT...]",
	.help =
		"Options:\n"
		"      --lib PATH      the shim, libhugespan-malloc.so, to"
		" preload; else the\n"
		"                      one beside the libhugespan.so that this"
		" command runs with\n"
		"      --print         print the command that this amounts"
		" to; start nothing\n"
		"      --help-options  print the options below as a table\n"
		"  -h, --help          this text\n"
		"\n"
		"The shim is put behind what LD_PRELOAD has already.\n"
		"\n"
		"Exit codes: the command's own; 127 there is no such command,"
		" 126 it cannot\n"
		"be started, 1 the shim is not found, 2 bad usage.\n",
	.more_help = print_option_help,
	.run = run_run,
};

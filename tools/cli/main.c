// SPDX-License-Identifier: MIT
/*
 * hugespan: the command line of the project. This file has the one list of
 * subcommands, and what is made from it: dispatch, help, the nearest name.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <hugespan.h>

#include "alloc.h"
#include "cli.h"
#include "text.h"

static const struct cli_command cmd_help;

static const struct cli_command *const commands[] = {
	&cmd_status,
	&cmd_doctor,
	&cmd_stat,
	&cmd_run,
	&cmd_pool,
	&cmd_map,
	&cmd_help,
};

#define NR_COMMANDS ((int)ARRAY_SIZE(commands))

/* The subcommand that runs, and "hugespan NAME" for messages. */
static const struct cli_command *current;
static const char *full_name = "hugespan";
static const char *typed_name = "hugespan";

const char *cli_self(void)
{
	return typed_name;
}

void cli_error(const char *format, ...)
{
	va_list ap;

	/* What was printed before comes first, wherever both go. */
	fflush(stdout);
	fprintf(stderr, "%s: ", full_name);
	va_start(ap, format);
	vfprintf(stderr, format, ap);
	va_end(ap);
	putc('\n', stderr);
}

void cli_strip_sudo(char *line)
{
	static const char word[] = "sudo ";
	const size_t len = sizeof(word) - 1;

	/* Root has no need of it, and a small system has no sudo. */
	if (geteuid() != 0)
		return;
	while ((line = strstr(line, word)))
		memmove(line, line + len, strlen(line + len) + 1);
}

void cli_fix(const char *format, ...)
{
	va_list ap;
	char *line;

	va_start(ap, format);
	line = xvasprintf(format, ap);
	va_end(ap);
	cli_strip_sudo(line);
	fprintf(stderr, "  fix: %s\n", line);
	free(line);
}

static int try_help(void)
{
	fprintf(stderr, "Try '%s --help'.\n", full_name);
	return CLI_USAGE;
}

int cli_usage(const char *format, ...)
{
	va_list ap;
	char *text;

	va_start(ap, format);
	text = xvasprintf(format, ap);
	va_end(ap);
	cli_error("%s", text);
	free(text);
	return try_help();
}

/*
 * Edits that make b of a: a letter put in, left out, changed, or two
 * neighbours swapped. Names longer than the table differ altogether.
 */
static int edit_distance(const char *a, const char *b)
{
	enum { MAX = 40 };
	int cost[MAX + 1][MAX + 1];
	int la = strlen(a), lb = strlen(b), i, j;

	if (la > MAX || lb > MAX)
		return MAX;
	for (i = 0; i <= la; i++)
		cost[i][0] = i;
	for (j = 0; j <= lb; j++)
		cost[0][j] = j;
	for (i = 1; i <= la; i++) {
		for (j = 1; j <= lb; j++) {
			int best = cost[i - 1][j - 1] + (a[i - 1] != b[j - 1]);

			if (cost[i - 1][j] + 1 < best)
				best = cost[i - 1][j] + 1;
			if (cost[i][j - 1] + 1 < best)
				best = cost[i][j - 1] + 1;
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] &&
			    a[i - 2] == b[j - 1] &&
			    cost[i - 2][j - 2] + 1 < best)
				best = cost[i - 2][j - 2] + 1;
			cost[i][j] = best;
		}
	}
	return cost[la][lb];
}

int cli_nearest(const char *word, const char *const *names, int nr)
{
	/* A third of the word may be wrong, and one letter at least. */
	int limit = (strlen(word) + 3) / 3, nearest = -1, i;

	for (i = 0; i < nr; i++) {
		int distance = edit_distance(word, names[i]);

		if (distance <= limit) {
			nearest = i;
			limit = distance - 1;
		}
	}
	return nearest;
}

static const struct cli_command *find_command(const char *name)
{
	int i;

	for (i = 0; i < NR_COMMANDS; i++)
		if (strcmp(commands[i]->name, name) == 0)
			return commands[i];
	return NULL;
}

static int unknown_command(const char *name)
{
	const char *names[NR_COMMANDS];
	int i, nearest;

	for (i = 0; i < NR_COMMANDS; i++)
		names[i] = commands[i]->name;
	nearest = cli_nearest(name, names, NR_COMMANDS);
	if (nearest >= 0)
		return cli_usage("there is no command '%s'; did you mean '%s'?",
				 name, names[nearest]);
	return cli_usage("there is no command '%s'", name);
}

static void print_overview(void)
{
	int i;

	puts("Usage: hugespan COMMAND [OPTION...]\n"
	     "\n"
	     "Huge-page memory for programs as they are: from /dev/hugespan,"
	     " or from the best\n"
	     "the host offers where there is none.\n"
	     "\n"
	     "Commands:");
	for (i = 0; i < NR_COMMANDS; i++)
		printf("  %s%-8s%s %s\n", text_style(TEXT_BOLD),
		       commands[i]->name, text_style(TEXT_PLAIN),
		       commands[i]->summary);
	puts("\n"
	     "  hugespan help COMMAND   what it does, its options, its exit"
	     " codes\n"
	     "  hugespan --version      the version of the command and of the"
	     " library\n"
	     "\n"
	     "Begin with 'hugespan doctor'. hugespan(7) is the overview.");
}

static void print_help(const struct cli_command *command)
{
	printf("Usage: hugespan %s%s%s\n\n%s.\n\n%s", command->name,
	       *command->usage ? " " : "", command->usage, command->summary,
	       command->help);
	if (command->more_help)
		command->more_help();
}

static int print_version(void)
{
	struct hs_status status = { .struct_size = sizeof(status) };
	int err = hs_status(&status);

	printf("hugespan %s\n", HS_VERSION);
	if (err)
		printf("libhugespan: of another version (%s)\n",
		       strerror(-err));
	else
		printf("libhugespan %s\n", status.version);
	return CLI_OK;
}

int cli_getopt(int argc, char **argv, const char *letters,
	       const struct option *options)
{
	int letter = getopt_long(argc, argv, letters, options, NULL);

	if (letter == 'h') {
		print_help(current);
		exit(CLI_OK);
	}
	if (letter == '?')
		exit(try_help());
	return letter;
}

static int run_help(int argc, char **argv)
{
	static const struct option options[] = {
		CLI_HELP_OPTION,
		{ "commands", no_argument, NULL, 'c' },
		{ }
	};
	const struct cli_command *command;
	int letter, i;

	while ((letter = cli_getopt(argc, argv, "h", options)) != -1) {
		if (letter != 'c')
			continue;
		for (i = 0; i < NR_COMMANDS; i++)
			puts(commands[i]->name);
		return CLI_OK;
	}
	if (optind == argc) {
		print_overview();
		return CLI_OK;
	}
	if (optind + 1 < argc)
		return cli_usage("one command at a time");
	command = find_command(argv[optind]);
	if (!command)
		return unknown_command(argv[optind]);
	print_help(command);
	return CLI_OK;
}

static const struct cli_command cmd_help = {
	.name = "help",
	.summary = "Explain a command",
	.usage = "[COMMAND]",
	.help =
		"Options:\n"
		"      --commands  print the names of all commands, one a line\n"
		"  -h, --help      this text\n",
	.run = run_help,
};

/* What could not be written is a failure, though all else went well. */
static void check_output(void)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return;
	/* The reader went away (head, less): nothing to tell. */
	if (errno != EPIPE)
		fprintf(stderr, "%s: cannot write: %s\n", full_name,
			strerror(errno));
	_exit(CLI_FAILED);
}

int main(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : NULL;

	atexit(check_output);
	if (argc > 0 && strchr(argv[0], '/'))
		typed_name = argv[0];
	if (!name) {
		print_overview();
		return CLI_USAGE;
	}
	if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0) {
		print_overview();
		return CLI_OK;
	}
	if (strcmp(name, "--version") == 0 || strcmp(name, "-V") == 0)
		return print_version();
	if (name[0] == '-')
		return cli_usage("there is no option '%s' before the command",
				 name);
	current = find_command(name);
	if (!current)
		return unknown_command(name);
	full_name = argv[1] = xasprintf("hugespan %s", name);
	return current->run(argc - 1, argv + 1);
}

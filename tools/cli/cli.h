/* SPDX-License-Identifier: MIT */
/*
 * The frame of the `hugespan` command: what a subcommand is, how its options
 * are read, how it complains and what it exits with.
 *
 * A subcommand is one file that defines one struct cli_command; main.c lists
 * them, and help, completion and the search for the nearest name work from
 * that list.
 */
#ifndef CLI_H
#define CLI_H

#include <getopt.h>

#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))

/* Exit codes; those of `run` above 2 are the shell's convention. */
enum cli_exit {
	CLI_OK = 0,
	CLI_FAILED = 1,		/* understood, but could not be done */
	CLI_USAGE = 2,		/* not understood */
	CLI_CANNOT_EXEC = 126,	/* run: the command is there, but cannot start */
	CLI_NOT_FOUND = 127,	/* run: there is no such command */
};

struct cli_command {
	const char *name;
	const char *summary;	/* one line, no full stop */
	const char *usage;	/* what follows "hugespan NAME " */
	const char *help;	/* options and exit codes, whole lines */
	void (*more_help)(void);	/* printed after help; may be NULL */
	/* argv[0] is "hugespan NAME"; returns an exit code. */
	int (*run)(int argc, char **argv);
};

extern const struct cli_command cmd_doctor;
extern const struct cli_command cmd_map;
extern const struct cli_command cmd_pool;
extern const struct cli_command cmd_run;
extern const struct cli_command cmd_stat;
extern const struct cli_command cmd_status;

/* The options that every subcommand takes; its own follow. */
#define CLI_HELP_OPTION { "help", no_argument, NULL, 'h' }
#define CLI_JSON_OPTION { "json", no_argument, NULL, 'j' }

/*
 * getopt_long for the running subcommand: --help prints its help and exits 0,
 * an option that it does not have exits CLI_USAGE. Returns -1 at the end.
 */
int cli_getopt(int argc, char **argv, const char *letters,
	       const struct option *options);

/*
 * This command as its user started it: "build/hugespan", or "hugespan" when
 * it was found by PATH. For command lines that are to be typed.
 */
const char *cli_self(void);

/* One line on stderr, begun with "hugespan NAME: ". */
void cli_error(const char *format, ...)
	__attribute__((format(printf, 1, 2)));
/*
 * The next line: what the user can do about it. A command that needs root is
 * written with "sudo ".
 */
void cli_fix(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* For root: take every "sudo " out of a command line, in place. */
void cli_strip_sudo(char *line);
/* As cli_error, then how to get help; returns CLI_USAGE. */
int cli_usage(const char *format, ...) __attribute__((format(printf, 1, 2)));

/*
 * Of the nr names, the one most like word; -1 when none is near enough to be
 * a slip of the fingers.
 */
int cli_nearest(const char *word, const char *const *names, int nr);

#endif /* CLI_H */

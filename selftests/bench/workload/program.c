// SPDX-License-Identifier: MIT
/*
 * Runs a program on an allocator and tells what it took, its children included.
 * Between the driver and the program, since a peak of memory is inherited
 * through fork and exec, and the driver's own is larger than many a program's.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "workload.h"

static double seconds(struct timeval tv)
{
	return tv.tv_sec + tv.tv_usec / 1e6;
}

static _Noreturn void become(char **args)
{
	int in = open(args[1], O_RDONLY);
	int out = open(args[2], O_WRONLY | O_CREAT | O_TRUNC, 0600);

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (in < 0 || out < 0 || dup2(in, 0) < 0 || dup2(out, 1) < 0 || dup2(out, 2) < 0)
		die("cannot redirect");
	if (setenv("LD_PRELOAD", args[0], 1))
		die("no environment");
	execvp(args[3], args + 3);
	die("cannot run the program");
}

void program_run(char **args)
{
	struct rusage usage;
	int status;
	pid_t pid;

	for (int i = 0; i < 4; i++)
		if (!args[i])
			die("an argument is missing (see --help)");
	pid = fork();
	if (pid < 0)
		die("no fork");
	if (!pid)
		become(args);
	if (wait4(pid, &status, 0, &usage) != pid)
		die("lost the program");
	print_number("signal", WIFSIGNALED(status) ? WTERMSIG(status) : 0);
	print_number("status", WIFEXITED(status) ? WEXITSTATUS(status) : 0);
	print_number("cpu_ms", (seconds(usage.ru_utime) + seconds(usage.ru_stime)) * 1000);
	print_number("peak_kib", usage.ru_maxrss);
}

// SPDX-License-Identifier: MIT
/*
 * PID 1 of the aarch64 guest: mounts what the test looks at, runs /test and
 * says how it ended in a line of its own. Every way out ends the guest.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static int run_test(void)
{
	pid_t pid = fork();
	int status;

	if (pid < 0)
		return 126;
	if (!pid) {
		/* Emulated: random tests do less, as in tools/check. */
		setenv("HUGESPAN_TEST_OPS", "20000", 1);
		execl("/test", "/test", (char *)NULL);
		_exit(127);
	}
	while (waitpid(pid, &status, 0) != pid)
		;
	return WIFEXITED(status) ? WEXITSTATUS(status) :
				   128 + WTERMSIG(status);
}

int main(void)
{
	mkdir("/proc", 0755);
	mkdir("/sys", 0755);
	mkdir("/tmp", 01777);
	mount("proc", "/proc", "proc", 0, NULL);
	mount("sysfs", "/sys", "sysfs", 0, NULL);
	mount("tmpfs", "/tmp", "tmpfs", 0, NULL);
	printf("aarch64-guest: status %d\n", run_test());
	fflush(stdout);
	reboot(RB_POWER_OFF);
	return 1;
}

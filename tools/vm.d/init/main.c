// SPDX-License-Identifier: MIT
/*
 * main.c - PID 1 of the test guests (see tools/vm).
 *
 * A static program in the initramfs. It loads the kernel modules the guest
 * needs, assembles the root file system, loads hugespan.ko, runs one command
 * and says how it ended; then the guest goes down.
 *
 * The host writes the order into the initramfs:
 *   /modules/NN-name.ko   modules to load, in the order of their names
 *   /job/argv, /job/env   the command and its environment, NUL-separated
 *   /job/options          lines "name value": see struct job
 *
 * The guest talks through virtio serial ports, by number:
 *   1  control: a line for each event, in this order: "boot", "ready" (from
 *      here on the code under test runs), "insmod ERRNO", "run", "exit CODE"
 *      or "signal NUMBER", "rmmod ERRNO", "bye"; "fail TEXT" when the guest
 *      could not get as far. From the host: one letter, a sysrq key to press.
 *   2, 3  the command's standard output and standard error
 *   4  a tar file of /hs-out, where the host asked for one
 * The command writes into pipes and not into the ports themselves, since a
 * port cannot be opened twice and programs do open /dev/stdout again.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/klog.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "init.h"

#define DRAIN_MS	1000	/* without output, once the command has ended */
#define EXIT_WAIT_MS	15000	/* for killed processes to be gone */
#define RMMOD_WAIT_MS	15000	/* for the last users of the module to go */
#define KLOG_CONSOLE_LEVEL	8

/* Into the kernel log; the host's scan of the log starts and ends at these. */
static void mark_log(const char *text)
{
	int fd = open("/dev/kmsg", O_WRONLY | O_CLOEXEC);
	char line[64];

	if (fd < 0)
		fail("/dev/kmsg");
	/* Not dprintf(): it seeks first, which this device refuses. */
	snprintf(line, sizeof(line), "<6>hugespan-vm: %s\n", text);
	if (write(fd, line, strlen(line)) < 0)
		fail("/dev/kmsg");
	close(fd);
}

static void read_words(const char *path, char **words)
{
	size_t len, at, nr = 0;
	char *text = read_file(path, &len);

	for (at = 0; at < len && nr < MAX_WORDS; at += strlen(text + at) + 1)
		words[nr++] = text + at;
	words[nr] = NULL;
}

static void read_job(struct job *job)
{
	char *line, *next, *text = read_file("/job/options", NULL);

	read_words("/job/argv", job->argv);
	read_words("/job/env", job->env);
	for (line = strtok_r(text, "\n", &next); line;
	     line = strtok_r(NULL, "\n", &next)) {
		if (!strncmp(line, "insmod ", 7)) {
			job->insmod = true;
			snprintf(job->params, sizeof(job->params), "%s",
				 line + 7);
		} else if (!strcmp(line, "root 1")) {
			job->root = true;
		} else if (!strcmp(line, "out 1")) {
			job->out = true;
		} else if (!strcmp(line, "tty 1")) {
			job->tty = true;
		} else if (!strncmp(line, "hugetlb ", 8)) {
			job->hugetlb = strtoul(line + 8, NULL, 10);
		}
	}
}

static int open_port(int nr)
{
	char path[32];
	int fd;

	snprintf(path, sizeof(path), "/dev/vport0p%d", nr);
	wait_for(path);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		fail(path);
	return fd;
}

static void write_all(int fd, const char *data, size_t len)
{
	ssize_t done;

	while (len) {
		done = write(fd, data, len);
		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0)
			return;
		data += done;
		len -= done;
	}
}

static void press_sysrq(char key)
{
	int fd = open("/proc/sysrq-trigger", O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return;
	if (write(fd, &key, 1) != 1)
		tell("fail sysrq\n");
	close(fd);
}

static void exec_command(struct job *job)
{
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	environ = job->env;
	if (chdir("/hs"))
		_exit(126);
	execvp(job->argv[0], job->argv);
	dprintf(2, "%s: %s\n", job->argv[0], strerror(errno));
	_exit(errno == ENOENT ? 127 : 126);
}

static pid_t start_command(struct job *job, int out[2], int err[2])
{
	pid_t pid;
	int in;

	if (pipe2(out, O_CLOEXEC) || pipe2(err, O_CLOEXEC))
		fail("pipe");
	pid = fork();
	if (pid < 0)
		fail("fork");
	if (pid) {
		close(out[1]);
		close(err[1]);
		return pid;
	}
	setsid();
	if (job->tty) {
		in = open("/dev/ttyS1", O_RDWR);
		ioctl(in, TIOCSCTTY, 1);
		dup2(in, 1);
		dup2(in, 2);
	} else {
		in = open("/dev/null", O_RDONLY);
		dup2(out[1], 1);
		dup2(err[1], 2);
	}
	dup2(in, 0);
	if (in > 2)
		close(in);
	exec_command(job);
	return -1;
}

/*
 * Passes output on until the command has ended and its pipes are empty. A
 * process left in the background may hold a pipe open: once the command is
 * gone, silence of DRAIN_MS is the end. Returns the wait status.
 */
static int relay(pid_t command, int out, int err, int port_out, int port_err)
{
	struct pollfd fds[3] = {
		{ .fd = out, .events = POLLIN },
		{ .fd = err, .events = POLLIN },
		{ .fd = control_port, .events = POLLIN },
	};
	const int ports[2] = { port_out, port_err };
	static char data[65536];
	int status = 0, got, i;
	bool ended = false;
	long last = 0;
	ssize_t len;
	pid_t pid;

	for (;;) {
		while ((pid = waitpid(-1, &got, WNOHANG)) > 0) {
			if (pid != command)
				continue;
			status = got;
			ended = true;
			last = now_ms();
		}
		if (ended && ((fds[0].fd < 0 && fds[1].fd < 0) ||
			      now_ms() - last > DRAIN_MS))
			return status;
		/* SIGCHLD could come before the poll, so it is kept short. */
		if (poll(fds, 3, 20) <= 0)
			continue;
		for (i = 0; i < 2; i++) {
			if (!fds[i].revents)
				continue;
			len = read(fds[i].fd, data, sizeof(data));
			if (len > 0) {
				write_all(ports[i], data, len);
				last = now_ms();
			} else if (len == 0) {
				fds[i].fd = -1;
			}
		}
		if (fds[2].revents & POLLIN) {
			if (read(control_port, data, 1) == 1)
				press_sysrq(data[0]);
		} else if (fds[2].revents) {
			fds[2].fd = -1;
		}
	}
}

static void send_out(void)
{
	char *argv[] = { "tar", "-C", "/hs-out", "-cf", "-", ".", NULL };
	int port = open_port(4);
	pid_t pid = fork();

	if (!pid) {
		dup2(port, 1);
		execvp(argv[0], argv);
		_exit(127);
	}
	waitpid(pid, NULL, 0);
	close(port);
}

static void kill_all(void)
{
	long end = now_ms() + EXIT_WAIT_MS;

	kill(-1, SIGKILL);
	while (now_ms() < end && (waitpid(-1, NULL, WNOHANG) >= 0 ||
				  errno != ECHILD))
		sleep_ms(1);
}

/*
 * With every process gone, nothing may hold the module any more. The command
 * may have removed it itself, which is fine.
 */
static void unload_module(void)
{
	long end = now_ms() + RMMOD_WAIT_MS;
	int ret;

	do {
		ret = syscall(SYS_delete_module, "hugespan", O_NONBLOCK);
		if (!ret || errno == ENOENT)
			break;
		sleep_ms(20);
	} while (now_ms() < end);
	tell("rmmod %d\n", ret && errno != ENOENT ? errno : 0);
}

int main(void)
{
	static struct job job;
	int out[2], err[2], port_out, port_err, status;
	pid_t command;

	mount_dev();
	read_job(&job);
	load_modules();
	control_port = open_port(1);
	tell("boot\n");
	port_out = open_port(2);
	port_err = open_port(3);
	make_root(&job);
	mount_system();
	sethostname("hugespan", 8);
	loopback_up();
	setenv("PATH", "/usr/sbin:/usr/bin:/sbin:/bin", 1);
	if (job.hugetlb)
		write_number("/proc/sys/vm/nr_hugepages", job.hugetlb);

	klogctl(KLOG_CONSOLE_LEVEL, NULL, 8);
	mark_log("begin");
	tell("ready\n");
	if (job.insmod) {
		status = load_module("/hs-module/hugespan.ko", job.params);
		tell("insmod %d\n", -status);
		if (status)
			power_off();
		own_device_node();
	}
	tell("run\n");
	command = start_command(&job, out, err);
	status = relay(command, out[0], err[0], port_out, port_err);
	if (WIFSIGNALED(status))
		tell("signal %d\n", WTERMSIG(status));
	else
		tell("exit %d\n", WEXITSTATUS(status));
	if (job.out)
		send_out();
	kill_all();
	if (job.insmod)
		unload_module();
	mark_log("end");
	tell("bye\n");
	power_off();
}

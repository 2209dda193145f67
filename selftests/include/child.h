/* SPDX-License-Identifier: MIT */
/*
 * Children of a test: they die with it, and nobody waits for one for ever.
 */
#ifndef SELFTEST_CHILD_H
#define SELFTEST_CHILD_H

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#ifndef HELPER
#define HELPER static inline __attribute__((unused))
#endif

/* Less than a test may take (kselftest_harness.h), so that it can say why. */
#define CHILD_WAIT_MS 120000

/* In a child there is no harness: say where, and fail. */
#define CHILD_CHECK(cond) do {						\
	if (!(cond)) {							\
		fprintf(stderr, "# %s:%d: child: not so: %s\n",		\
			__FILE__, __LINE__, #cond);			\
		_exit(1);						\
	}								\
} while (0)

/* fork(2), and the child is killed when the thread that made it ends. */
HELPER pid_t child_fork(void)
{
	pid_t parent = getpid();
	pid_t pid = fork();

	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent)
			_exit(1);
	}
	return pid;
}

/*
 * Wait for @pid: its status as waitpid(2) gives it (0 is success), or -1 when
 * it took longer than CHILD_WAIT_MS (then it was killed and reaped).
 */
HELPER int child_wait(pid_t pid)
{
	struct timespec nap = { 0, 1000000 };
	int status, tries;

	for (tries = 0; tries < CHILD_WAIT_MS; tries++) {
		pid_t got = waitpid(pid, &status, WNOHANG);

		if (got == pid)
			return status;
		if (got < 0 && errno != EINTR)
			return -1;
		nanosleep(&nap, NULL);
	}
	fprintf(stderr, "# child %d took too long\n", (int)pid);
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	return -1;
}

/* SIGKILL, and gone for certain when this returns. */
HELPER int child_kill(pid_t pid)
{
	int status = 0;

	if (kill(pid, SIGKILL))
		return -1;
	status = child_wait(pid);
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL ? 0 : -1;
}

/*
 * A two-way line between a test and its child, one word at a time. Make it
 * before the fork; the child uses end 1, its parent end 0.
 */
struct line {
	int end[2];
};

HELPER int line_open(struct line *l)
{
	return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, l->end);
}

HELPER void line_close(struct line *l)
{
	close(l->end[0]);
	close(l->end[1]);
}

HELPER int line_say(struct line *l, int end, uint64_t word)
{
	return send(l->end[end], &word, sizeof(word), MSG_NOSIGNAL) ==
		sizeof(word) ? 0 : -errno;
}

/* The next word the other side said: 0, or -ETIMEDOUT, -EPIPE. */
HELPER int line_hear(struct line *l, int end, uint64_t *word)
{
	struct pollfd p = { .fd = l->end[end], .events = POLLIN };
	uint64_t got = 0;
	int n;

	do {
		n = poll(&p, 1, CHILD_WAIT_MS);
	} while (n < 0 && errno == EINTR);
	if (n == 0)
		return -ETIMEDOUT;
	if (recv(p.fd, &got, sizeof(got), 0) != sizeof(got))
		return -EPIPE;
	if (word)
		*word = got;
	return 0;
}

/* Hand an open file to whoever reads the other end. */
HELPER int line_send_fd(struct line *l, int end, int fd)
{
	union {
		char buf[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} ctl = { .buf = { 0 } };
	char byte = 0;
	struct iovec iov = { &byte, 1 };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = ctl.buf, .msg_controllen = sizeof(ctl.buf),
	};
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	*(int *)(void *)CMSG_DATA(c) = fd;
	return sendmsg(l->end[end], &msg, MSG_NOSIGNAL) == 1 ? 0 : -errno;
}

/* The descriptor that line_send_fd() sent, or -errno. */
HELPER int line_recv_fd(struct line *l, int end)
{
	union {
		char buf[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} ctl = { .buf = { 0 } };
	struct pollfd p = { .fd = l->end[end], .events = POLLIN };
	char byte;
	struct iovec iov = { &byte, 1 };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = ctl.buf, .msg_controllen = sizeof(ctl.buf),
	};
	struct cmsghdr *c;

	if (poll(&p, 1, CHILD_WAIT_MS) != 1)
		return -ETIMEDOUT;
	if (recvmsg(p.fd, &msg, MSG_CMSG_CLOEXEC) != 1)
		return -EPIPE;
	c = CMSG_FIRSTHDR(&msg);
	if (!c || c->cmsg_type != SCM_RIGHTS)
		return -EBADMSG;
	return *(int *)(void *)CMSG_DATA(c);
}

#endif /* SELFTEST_CHILD_H */

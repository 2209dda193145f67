/* SPDX-License-Identifier: MIT */
/*
 * Touch memory that may not be there, and live to tell: each access answers 0
 * or the number of the signal that it raised. Safe in several threads at once
 * and after a fork.
 */
#ifndef SELFTEST_FAULT_H
#define SELFTEST_FAULT_H

#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifndef HELPER
#define HELPER static inline __attribute__((unused))
#endif

static __thread sigjmp_buf fault_env;
static __thread volatile sig_atomic_t fault_armed;
/* Of the last fault in this thread. */
static __thread void *volatile fault_addr;
static __thread volatile int fault_code;

HELPER void fault_handler(int sig, siginfo_t *si, void *ctx)
{
	(void)ctx;
	if (!fault_armed) {
		/* Not ours: let the access that comes again end the process. */
		signal(sig, SIG_DFL);
		return;
	}
	fault_addr = si->si_addr;
	fault_code = si->si_code;
	siglongjmp(fault_env, sig);
}

/*
 * Called by the rest at need. SA_NODEFER keeps the signal's mask as it is, so
 * that a jump needs no system call to mend it: tests touch millions of words.
 */
HELPER void fault_catch(void)
{
	static volatile sig_atomic_t done;
	struct sigaction sa = {
		.sa_sigaction = fault_handler,
		.sa_flags = SA_SIGINFO | SA_NODEFER,
	};

	if (done)
		return;
	sigaction(SIGBUS, &sa, NULL);
	sigaction(SIGSEGV, &sa, NULL);
	done = 1;
}

/*
 * Call @fn(@arg); 0, or the signal that ended it. Not to be inlined: a caller's
 * locals must not live in registers that the jump throws away.
 */
static __attribute__((unused, noinline)) int fault_guard(void (*fn)(void *), void *arg)
{
	int sig;

	fault_catch();
	sig = sigsetjmp(fault_env, 0);
	if (!sig) {
		fault_armed = 1;
		fn(arg);
	}
	fault_armed = 0;
	return sig;
}

struct fault_word {
	volatile uint64_t *at;
	uint64_t val;
};

HELPER void fault_do_read(void *arg)
{
	struct fault_word *w = arg;

	w->val = *w->at;
}

HELPER void fault_do_write(void *arg)
{
	struct fault_word *w = arg;

	*w->at = w->val;
}

/* Read a word; *@val is left alone when a signal came. */
HELPER int fault_read(const void *at, uint64_t *val)
{
	struct fault_word w = { .at = (volatile uint64_t *)(uintptr_t)at };
	int sig = fault_guard(fault_do_read, &w);

	if (!sig && val)
		*val = w.val;
	return sig;
}

HELPER int fault_write(void *at, uint64_t val)
{
	struct fault_word w = { .at = at, .val = val };

	return fault_guard(fault_do_write, &w);
}

#endif /* SELFTEST_FAULT_H */

// SPDX-License-Identifier: MIT
/*
 * Forks step by step, on every backend.
 *
 * Guards against a child that frees into its parent's memory or writes to it,
 * or the other way round; against atfork handlers of others that allocate in
 * the midst of ours; against children that take units with them; and against
 * traces of children that run another program.
 */
#include <pthread.h>
#include <spawn.h>
#include <stdlib.h>

#include "held.h"

#include "heap.h"
#include "lock.h"
#include "storm.h"

/* ---- one thread, step by step -------------------------------------------- */

/* Each side's writes are its own, before and after the other's, and when the
 * other has freed everything and used it anew. */
SCENARIO_TEST(forks, patterns_never_cross)
{
	struct line line;
	pid_t pid;

	hold(PARENT);
	CHILD_CHECK(!line_open(&line));
	pid = child_fork();
	if (pid == 0) {
		check_held(PARENT);
		CHILD_CHECK(!line_say(&line, 1, 1));
		CHILD_CHECK(!line_hear(&line, 1, NULL));
		check_held(PARENT);	/* the parent wrote PARENT_LATER */
		change_held(CHILD);
		CHILD_CHECK(!line_say(&line, 1, 2));
		CHILD_CHECK(!line_hear(&line, 1, NULL));
		check_held(CHILD);	/* the parent freed its own */
		free_held();
		hold(CHILD + 500);
		check_held(CHILD + 500);
		check_heap();
		_exit(0);
	}
	CHILD_CHECK(!line_hear(&line, 0, NULL));
	change_held(PARENT_LATER);
	CHILD_CHECK(!line_say(&line, 0, 1));
	CHILD_CHECK(!line_hear(&line, 0, NULL));
	check_held(PARENT_LATER);	/* the child wrote CHILD */
	free_held();
	hs_release(0);
	hold(LATER);
	CHILD_CHECK(!line_say(&line, 0, 2));
	CHILD_CHECK(child_wait(pid) == 0);
	check_held(LATER);
	check_heap();
}

/* Children of children: each inherits, checks, changes, frees a part. */
static void generation(int depth)
{
	uint64_t tag = (uint64_t)depth * 10000;
	pid_t pid;

	check_held(tag);
	if (depth == 6)
		return;
	change_held(tag + 10000);
	hs_free(held[depth]);
	held[depth] = hs_malloc(held_size(depth));
	pattern_fill(held[depth], held_size(depth), tag + 10000 + depth);
	pid = child_fork();
	if (pid == 0) {
		generation(depth + 1);
		check_heap();
		_exit(0);
	}
	CHILD_CHECK(child_wait(pid) == 0);
	check_held(tag + 10000);
}

SCENARIO_TEST(forks, six_generations)
{
	hold(0);
	generation(0);
	check_heap();
	CHILD_CHECK(stats().nr_forks >= 1);
}

/* A child can give back all it inherited; its parent keeps all of it. */
SCENARIO_TEST(forks, a_child_frees_what_it_inherited)
{
	uint64_t mapped;
	pid_t pid;

	hold(PARENT);
	mapped = stats().mapped_bytes;
	pid = child_fork();
	if (pid == 0) {
		CHILD_CHECK(stats().mapped_bytes == mapped);
		free_held();
		CHILD_CHECK(stats().in_use_bytes == 0);
		hs_release(0);
		if (stats().cpu_cached_bytes == 0)
			CHILD_CHECK(stats().mapped_bytes == 0);
		hold(CHILD);
		check_held(CHILD);
		check_heap();
		_exit(0);
	}
	CHILD_CHECK(child_wait(pid) == 0);
	check_held(PARENT);
	CHILD_CHECK(stats().mapped_bytes == mapped);
	free_held();
	check_heap();
}

/* ---- handlers of others -------------------------------------------------- */

static char *before_ours[4], *after_ours[4];
static int inside[6], outside[6];	/* by handler: how often */
static bool handlers_are_on;

static void in_a_handler(char **mine, int *counts, bool expect_forking)
{
	int i;

	if (!handlers_are_on)
		return;
	counts[0]++;
	if (hs_lock_forking() != expect_forking)
		counts[1]++;
	for (i = 0; i < 4; i++) {
		size_t size = held_size(6 + i);

		if (mine[i])
			CHILD_CHECK(pattern_differs(mine[i], size, 77 + i) < 0);
		hs_free(mine[i]);
		hs_free(hs_calloc(1, 100));
		mine[i] = hs_realloc(hs_malloc(64), size);
		CHILD_CHECK(mine[i]);
		pattern_fill(mine[i], size, 77 + i);
	}
	CHILD_CHECK(stats().mapped_bytes > 0);
}

/* Registered before ours: they run between our prepare and our return. */
static void early_prepare(void) { in_a_handler(before_ours, inside, true); }
static void early_parent(void) { in_a_handler(before_ours, inside, true); }
static void early_child(void) { in_a_handler(before_ours, inside, true); }
static void late_prepare(void) { in_a_handler(after_ours, outside, false); }
static void late_parent(void) { in_a_handler(after_ours, outside, false); }
static void late_child(void) { in_a_handler(after_ours, outside, false); }

__attribute__((constructor(101))) static void register_before_ours(void)
{
	if (!hs_nr_forks)
		pthread_atfork(early_prepare, early_parent, early_child);
}

/*
 * Other libraries' handlers allocate and free, large and small, while all our
 * locks are held and after; in the parent, in the child, and in its child.
 */
SCENARIO_TEST(forks, handlers_of_others_allocate)
{
	int round, depth;
	pid_t pid;

	hold(PARENT);
	CHILD_CHECK(!pthread_atfork(late_prepare, late_parent, late_child));
	handlers_are_on = true;
	for (round = 0; round < 5; round++) {
		pid = child_fork();
		for (depth = 0; pid == 0 && depth < 2; depth++) {
			check_held(PARENT);
			check_heap();
			pid = child_fork();
			if (pid)
				CHILD_CHECK(child_wait(pid) == 0);
			else if (depth == 1)
				_exit(0);
		}
		if (depth)
			_exit(0);
		CHILD_CHECK(child_wait(pid) == 0);
		check_heap();
	}
	check_held(PARENT);
	CHILD_CHECK(inside[0] == 10 && outside[0] == 10);
	if (inside[1] || outside[1])
		scenario_skip("the handlers did not run around ours in this build");
}

/* ---- children that run another program ----------------------------------- */

extern char **environ;

/* vfork, posix_spawn, system and popen share memory for a while, or leave the
 * handlers out: neither must show afterwards. */
SCENARIO_TEST(forks, children_that_run_another_program)
{
	char *argv[] = { (char *)"true", NULL };
	pthread_t busy[2];
	uintptr_t i;
	pid_t pid;
	FILE *f;

	hold(PARENT);
	storm = (struct storm){
		.naps = true, .ops = UINT64_MAX, .seed = test_seed(),
	};
	for (i = 0; i < 2; i++)
		CHILD_CHECK(!pthread_create(&busy[i], NULL, storm_thread,
					    (void *)(i + 1)));
	for (i = 0; i < 5; i++) {
		CHILD_CHECK(system("exit 3") == 3 << 8);
		f = popen("echo hello", "r");
		CHILD_CHECK(f && fgetc(f) == 'h' && pclose(f) == 0);
		if (!posix_spawnp(&pid, "true", NULL, NULL, argv, environ))
			CHILD_CHECK(child_wait(pid) == 0);
		pid = vfork();
		if (pid == 0) {
			execvp("true", argv);
			_exit(0);
		}
		CHILD_CHECK(pid > 0 && child_wait(pid) == 0);
		check_held(PARENT);
	}
	storm_over = true;
	for (i = 0; i < 2; i++)
		CHILD_CHECK(!pthread_join(busy[i], NULL));
	free_held();
	CHILD_CHECK(stats().in_use_bytes <= STORM_MAILBOXES * 40960);
	check_heap();
}

SCENARIO_MAIN_AROUND(backends_run)

// SPDX-License-Identifier: MIT
/*
 * Moments at which a process allocates and an allocator may not be ready:
 * before main and before any constructor, while symbols are looked up, in
 * destructors of threads that end, in atfork handlers, at exit. Each has hung
 * or crashed some allocator that worked everywhere else.
 */
#include <dlfcn.h>
#include <pthread.h>
#include <spawn.h>
#include <sys/wait.h>

#include <kselftest_harness.h>

#include "pattern.h"
#include "shim.h"

static void *before_constructors;
static void *in_constructor;

/* A library's lock, held while it allocates, that its fork handlers take. */
static pthread_mutex_t their_lock = PTHREAD_MUTEX_INITIALIZER;

static void take_their_lock(void)
{
	pthread_mutex_lock(&their_lock);
}

static void leave_their_lock(void)
{
	pthread_mutex_unlock(&their_lock);
}

static void allocate_first(void)
{
	if (SHIM_OBSTACLE)
		return;
	pthread_atfork(take_their_lock, leave_their_lock, leave_their_lock);
	before_constructors = malloc(1000);
}

/* Runs before every constructor, also those of libraries. */
__attribute__((section(".preinit_array"), used))
static void (*const first)(void) = allocate_first;

__attribute__((constructor(101))) static void allocate_early(void)
{
	if (!SHIM_OBSTACLE)
		in_constructor = malloc(3 << 20);
}

/* A hang here would be a hang of the whole test: it ends with the process. */
__attribute__((destructor)) static void allocate_late(void)
{
	free(malloc(100));
	free(in_constructor);
}

FIXTURE(moments) {
	int unused;
};

FIXTURE_SETUP(moments)
{
	SHIM_SETUP();
}

FIXTURE_TEARDOWN(moments)
{
}

TEST_F(moments, before_main)
{
	ASSERT_TRUE(is_ours(before_constructors, 1000));
	ASSERT_TRUE(is_ours(in_constructor, 3 << 20));
}

/* dlerror's text and dlopen's records are allocated inside the linker. */
TEST_F(moments, inside_the_dynamic_linker)
{
	int i;

	for (i = 0; i < 100; i++) {
		ASSERT_EQ(NULL, dlsym(RTLD_NEXT, "no_such_symbol_anywhere"));
		ASSERT_NE(NULL, dlerror());
		ASSERT_EQ(NULL, dlopen("no-such-library.so", RTLD_NOW));
		ASSERT_NE(NULL, dlerror());
	}
}

static pthread_key_t key;
static int nr_destroyed;

/* Runs when the thread's other state is half gone, and asks to run again. */
static void destroy(void *value)
{
	char *p = malloc(200000);

	memset(p, 1, 200000);
	free(p);
	free(value);
	if (__atomic_add_fetch(&nr_destroyed, 1, __ATOMIC_RELAXED) % 2)
		pthread_setspecific(key, malloc(64));
}

static void *end_with_a_value(void *arg)
{
	pthread_setspecific(key, malloc(64));
	return arg;
}

TEST_F(moments, destructors_of_threads)
{
	pthread_t thread;
	int i;

	ASSERT_EQ(0, pthread_key_create(&key, destroy));
	for (i = 0; i < 200; i++) {
		ASSERT_EQ(0, pthread_create(&thread, NULL, end_with_a_value,
					    NULL));
		ASSERT_EQ(0, pthread_join(thread, NULL));
	}
	ASSERT_EQ(400, nr_destroyed);
}

static int nr_handled;

static void handle_fork(void)
{
	void *small = malloc(100), *large = malloc(5 << 20);

	memset(large, 1, 5 << 20);
	free(large);
	free(small);
	nr_handled++;
}

static bool child_is_well(void)
{
	char *p[100];
	int i;

	for (i = 0; i < 100; i++) {
		p[i] = malloc(1 << (i % 20));
		if (!p[i])
			return false;
		p[i][0] = (char)i;
	}
	for (i = 0; i < 100; i++)
		free(p[i]);
	free(before_constructors);
	return true;
}

static int fork_once(void)
{
	pid_t pid = fork();
	int status;

	if (pid < 0)
		return -1;
	if (!pid)
		_exit(child_is_well() ? 0 : 1);
	if (waitpid(pid, &status, 0) != pid)
		return -1;
	return status;
}

static void *keep_busy(void *stop)
{
	unsigned int seed = 1;

	while (!__atomic_load_n((int *)stop, __ATOMIC_RELAXED)) {
		size_t size = 16 + rand_r(&seed) % 100000;
		char *p = malloc(size);

		p[size - 1] = 1;
		free(p);
	}
	return NULL;
}

/*
 * Handlers of the program run around ours, before and after: in prepare ours
 * hold every lock already, and other threads are in the middle of things.
 */
TEST_F(moments, fork_handlers_of_others_allocate)
{
	int i, stop = 0, nr_forks = test_ops(100000) / 1000;
	pthread_t busy[3];

	ASSERT_EQ(0, pthread_atfork(handle_fork, handle_fork, handle_fork));
	for (i = 0; i < 3; i++)
		ASSERT_EQ(0, pthread_create(&busy[i], NULL, keep_busy, &stop));
	for (i = 0; i < nr_forks; i++)
		ASSERT_EQ(0, fork_once());
	stop = 1;
	for (i = 0; i < 3; i++)
		ASSERT_EQ(0, pthread_join(busy[i], NULL));
	ASSERT_EQ(2 * nr_forks, nr_handled);
}

static void *allocate_in_their_lock(void *stop)
{
	int i;

	while (!__atomic_load_n((int *)stop, __ATOMIC_RELAXED)) {
		take_their_lock();
		for (i = 0; i < 20; i++)
			free(malloc(100000 * i));
		leave_their_lock();
	}
	return NULL;
}

/*
 * The handlers were registered before every constructor. If their prepare ran
 * after ours, it would wait for a thread that waits for us.
 */
TEST_F(moments, fork_handlers_wait_for_a_thread_that_allocates)
{
	int i, stop = 0, nr_forks = test_ops(100000) / 1000;
	pthread_t busy[2];

	for (i = 0; i < 2; i++)
		ASSERT_EQ(0, pthread_create(&busy[i], NULL,
					    allocate_in_their_lock, &stop));
	for (i = 0; i < nr_forks; i++)
		ASSERT_EQ(0, fork_once());
	stop = 1;
	for (i = 0; i < 2; i++)
		ASSERT_EQ(0, pthread_join(busy[i], NULL));
}

static void *fork_here(void *arg)
{
	*(int *)arg = fork_once();
	return NULL;
}

TEST_F(moments, fork_in_a_thread)
{
	pthread_t thread;
	int status = -1;

	ASSERT_EQ(0, pthread_create(&thread, NULL, fork_here, &status));
	ASSERT_EQ(0, pthread_join(thread, NULL));
	ASSERT_EQ(0, status);
}

/* These share our memory with the child until it execs. */
TEST_F(moments, vfork_and_its_kind)
{
	char *argv[] = { "true", NULL };
	char line[16] = "";
	int status;
	pid_t pid;
	FILE *f;

	ASSERT_EQ(0, posix_spawnp(&pid, "true", NULL, NULL, argv, environ));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	ASSERT_EQ(0, status);
	ASSERT_EQ(0, system("true"));
	f = popen("echo hello", "r");
	ASSERT_NE(NULL, f);
	ASSERT_NE(NULL, fgets(line, sizeof(line), f));
	ASSERT_EQ(0, pclose(f));
	ASSERT_STREQ("hello\n", line);
}

TEST_HARNESS_MAIN

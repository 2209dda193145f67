// SPDX-License-Identifier: MIT
/*
 * malloc before main and after it: in the resolver of an indirect function
 * (while the program is still being relocated), in preinit functions (before
 * any library's constructor has run), in constructors, in atexit functions, in
 * destructors, in the destructors of a thread's data. What is allocated in one
 * of these places is freed in another.
 *
 * Guards against a heap that needs something the loader has not done yet, or
 * that somebody has taken down already.
 */
#include <pthread.h>
#include <stdlib.h>

#include "scenario.h"

#include "shim.h"

#define LIFE "HUGESPAN_TEST_LIFE"

#if defined(__SANITIZE_ADDRESS__)
#define INDIRECT			/* its run time is not up so early */
#else
#define INDIRECT __attribute__((ifunc("resolve_one")))
#endif

/* Without malloc and stdio, for they may be what is broken. */
#define CHECK(cond) do {						\
	if (!(cond)) {							\
		static const char text[] = "# not so: " #cond "\n";	\
		if (write(2, text, sizeof(text) - 1) < 0)		\
			_exit(2);					\
		_exit(1);						\
	}								\
} while (0)

static char *from_resolver, *from_preinit, *from_constructor, *from_main;
static pthread_key_t key;

static char *take(size_t size, char tag)
{
	char *p = malloc(size);

	CHECK(p);
	memset(p, tag, size);
	return p;
}

static int is(const char *p, size_t size, char tag)
{
	size_t i;

	for (i = 0; i < size; i++)
		if (p[i] != tag)
			return 0;
	return 1;
}

/* ---- before main --------------------------------------------------------- */

static int one(void)
{
	return 1;
}

static int (*resolve_one(void))(void)
{
	from_resolver = malloc(1000);
	if (from_resolver)
		from_resolver[0] = 'r';
	free(malloc(300000));
	return one;
}

int indirect(void) INDIRECT;

#if defined(__SANITIZE_ADDRESS__)
int indirect(void)
{
	return resolve_one()();
}
#endif

static bool is_life(char **envp)
{
	for (; *envp; envp++)
		if (!strncmp(*envp, LIFE "=", sizeof(LIFE)))
			return true;
	return false;
}

static bool alive;	/* the test itself is spared all of it */

static void preinit(int argc, char **argv, char **envp)
{
	(void)argc, (void)argv;
	alive = is_life(envp);
	if (!alive)
		return;
	from_preinit = take(500, 'p');
	free(take(1000000, 'x'));
	from_resolver = realloc(from_resolver, 5000);
	CHECK(from_resolver && from_resolver[0] == 'r');
}

__attribute__((section(".preinit_array"), used))
static void (*const preinit_entry)(int, char **, char **) = preinit;

__attribute__((constructor(101))) static void very_early(void)
{
	if (!alive)
		return;
	from_constructor = take(100000, 'c');
	CHECK(is(from_preinit, 500, 'p'));
	free(from_preinit);
	CHECK(!setenv("EARLY", "1", 1));
}

__attribute__((constructor)) static void constructor(void)
{
	if (!alive)
		return;
	from_constructor = realloc(from_constructor, 200);
	CHECK(is(from_constructor, 200, 'c'));
}

/* ---- after main ---------------------------------------------------------- */

static void at_exit(void)
{
	CHECK(is(from_main, 3000, 'm'));
	from_main = realloc(from_main, 400000);
	CHECK(from_main && is(from_main, 3000, 'm'));
	free(take(50, 'a'));
}

static void on_the_way_out(int status, void *arg)
{
	CHECK(status == 0 && is(arg, 40, 'o'));
	free(arg);
}

__attribute__((destructor)) static void destructor(void)
{
	if (!alive)
		return;
	CHECK(is(from_main, 3000, 'm'));
	free(from_main);
	free(take(70, 'd'));
}

__attribute__((destructor(101))) static void very_late(void)
{
	int i;

	if (!alive)
		return;
	for (i = 0; i < 1000; i++)
		free(take(i * 100, 'l'));
	if (write(2, "late\n", 5) != 5)
		_exit(1);
}

/* ---- threads ------------------------------------------------------------- */

static void destroy(void *value)
{
	char *again = realloc(value, 9000);

	CHECK(again && is(again, 90, 't'));
	free(again);
	free(take(1000, 'k'));
}

static void *run(void *arg)
{
	CHECK(!pthread_setspecific(key, take(90, 't')));
	free(take(100, 'y'));
	return arg;
}

static void *run_detached(void *arg)
{
	CHECK(!pthread_setspecific(key, take(90, 't')));
	/* Still going when main returns, as often as not. */
	usleep((useconds_t)(unsigned long)arg);
	free(take(100, 'z'));
	return NULL;
}

static int live(void)
{
	pthread_t thread;
	unsigned long i;

	CHECK(indirect() == 1);
	CHECK(!hs_malloc_usable_size || is_ours(from_resolver, 5000));
	CHECK(!hs_malloc_usable_size || is_ours(from_constructor, 200));
	free(from_resolver);
	free(from_constructor);
	CHECK(getenv("EARLY"));
	from_main = take(3000, 'm');
	CHECK(!atexit(at_exit));
	CHECK(!on_exit(on_the_way_out, take(40, 'o')));
	CHECK(!pthread_key_create(&key, destroy));
	CHECK(!pthread_setspecific(key, take(90, 't')));
	for (i = 0; i < 50; i++) {
		CHECK(!pthread_create(&thread, NULL, run, NULL));
		CHECK(!pthread_join(thread, NULL));
	}
	for (i = 0; i < 8; i++) {
		CHECK(!pthread_create(&thread, NULL, run_detached,
				      (void *)(i * 500)));
		CHECK(!pthread_detach(thread));
	}
	if (write(2, "main\n", 5) != 5)
		_exit(1);
	return 0;
}

/* ---- the test ------------------------------------------------------------ */

static void become(void *env)
{
	char *argv[] = { (char *)"/proc/self/exe", NULL };

	for (char **e = env; *e; e++)
		putenv(*e);
	execv(argv[0], argv);
	_exit(127);
}

FIXTURE(lifetime) {
	int unused;
};

FIXTURE_VARIANT(lifetime) {
	const char *env[4];
};

FIXTURE_VARIANT_ADD(lifetime, rseq) {
	.env = { LIFE "=1" },
};

FIXTURE_VARIANT_ADD(lifetime, locked) {
	.env = { LIFE "=1", "HUGESPAN_RSEQ=0" },
};

FIXTURE_VARIANT_ADD(lifetime, check) {
	.env = { LIFE "=1", "HUGESPAN_CHECK=1" },
};

/* The same life without us: were it wrong, it would be wrong here. */
FIXTURE_VARIANT_ADD(lifetime, glibc) {
	.env = { LIFE "=1", "LD_PRELOAD=" },
};

FIXTURE_SETUP(lifetime)
{
	SHIM_SETUP();
}

FIXTURE_TEARDOWN(lifetime)
{
}

TEST_F(lifetime, from_before_the_first_to_after_the_last)
{
	struct outcome o;
	int round;

	for (round = 0; round < 5; round++) {
		child_outcome(become, (void *)variant->env, &o);
		EXPECT_EQ(0, o.status);
		ASSERT_STREQ("main\nlate\n", o.err);
	}
}

int main(int argc, char **argv)
{
	return alive ? live() : test_harness_run(argc, argv);
}

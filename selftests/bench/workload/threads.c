// SPDX-License-Identifier: MIT
/*
 * Threads: each for itself, producers and consumers in pairs, a mesh in which
 * everybody frees what others allocated, and requests as a server has them.
 * The figures are CPU time of the whole process per pair of malloc and free,
 * and the peak of its memory.
 */
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>

#include "workload.h"

#define THREADS_MAX 256
#define STACK_BYTES (256 << 10)
#define BATCH_NR 64
#define BOX_NR 16		/* batches that wait in a mailbox */
#define OWN_NR 1000		/* live objects of a thread that works alone */
#define SESSIONS_NR 2048
#define REQUEST_SMALL_NR 30
#define REQUESTS_PER_TURN 16

struct batch {
	void *objects[BATCH_NR];
};

/* A bounded queue of batches; all of it guarded by lock. */
struct box {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	unsigned int nr;
	struct batch batches[BOX_NR];
};

struct worker {
	pthread_t thread;
	unsigned int index;
	struct rng rng;
	uint64_t done;		/* pairs */
};

static unsigned int workers_nr;
static uint64_t ops_each;
static struct worker *workers;
static struct box *boxes;
static void **sessions;
static struct sizes small_sizes, buffer_sizes, session_sizes;

static void batch_fill(struct batch *b, struct rng *r)
{
	for (int i = 0; i < BATCH_NR; i++)
		b->objects[i] = use(malloc(sizes_draw(&small_sizes, r)));
}

static void batch_free(struct batch *b)
{
	for (int i = 0; i < BATCH_NR; i++)
		free(b->objects[i]);
}

/*
 * One producer and one consumer, who sleep and wake at half a box's distance:
 * waking for each batch would measure the scheduler.
 */
static void box_put(struct box *box, const struct batch *b)
{
	pthread_mutex_lock(&box->lock);
	while (box->nr == BOX_NR)
		pthread_cond_wait(&box->changed, &box->lock);
	box->batches[box->nr++] = *b;
	if (box->nr == BOX_NR / 2)
		pthread_cond_signal(&box->changed);
	pthread_mutex_unlock(&box->lock);
}

/* No more will come. */
static void box_close(struct box *box)
{
	pthread_mutex_lock(&box->lock);
	pthread_cond_signal(&box->changed);
	pthread_mutex_unlock(&box->lock);
}

static void box_take(struct box *box, struct batch *b)
{
	pthread_mutex_lock(&box->lock);
	while (!box->nr)
		pthread_cond_wait(&box->changed, &box->lock);
	*b = box->batches[--box->nr];
	if (box->nr == BOX_NR / 2)
		pthread_cond_signal(&box->changed);
	pthread_mutex_unlock(&box->lock);
}

static bool box_try_put(struct box *box, const struct batch *b)
{
	bool fits;

	pthread_mutex_lock(&box->lock);
	fits = box->nr < BOX_NR;
	if (fits)
		box->batches[box->nr++] = *b;
	pthread_mutex_unlock(&box->lock);
	return fits;
}

static bool box_try_take(struct box *box, struct batch *b)
{
	bool any;

	pthread_mutex_lock(&box->lock);
	any = box->nr;
	if (any)
		*b = box->batches[--box->nr];
	pthread_mutex_unlock(&box->lock);
	return any;
}

static void *work_alone(void *arg)
{
	struct worker *w = arg;
	void *own[OWN_NR] = { 0 };

	for (; w->done < ops_each; w->done++) {
		uint32_t slot = rng_below(&w->rng, OWN_NR);

		free(own[slot]);
		own[slot] = use(malloc(sizes_draw(&small_sizes, &w->rng)));
	}
	for (int i = 0; i < OWN_NR; i++)
		free(own[i]);
	return NULL;
}

/* Even ones produce, the odd one after each consumes. Both count halves. */
static void *work_pairs(void *arg)
{
	struct worker *w = arg;
	struct box *box = &boxes[w->index / 2];
	struct batch b;

	for (; w->done < ops_each; w->done += BATCH_NR / 2) {
		if (w->index & 1) {
			box_take(box, &b);
			batch_free(&b);
		} else {
			batch_fill(&b, &w->rng);
			box_put(box, &b);
		}
	}
	if (!(w->index & 1))
		box_close(box);
	return NULL;
}

static void *work_mesh(void *arg)
{
	struct worker *w = arg;
	struct batch b;

	for (; w->done < ops_each; w->done += BATCH_NR) {
		batch_fill(&b, &w->rng);
		if (!box_try_put(&boxes[rng_below(&w->rng, workers_nr)], &b))
			batch_free(&b);
		while (box_try_take(&boxes[w->index], &b))
			batch_free(&b);
	}
	return NULL;
}

static uint64_t request(struct rng *r)
{
	void *in, *out, *small[REQUEST_SMALL_NR];
	uint64_t pairs = REQUEST_SMALL_NR + 2;

	in = use(malloc(sizes_draw(&buffer_sizes, r)));
	for (int i = 0; i < REQUEST_SMALL_NR; i++)
		small[i] = use(malloc(sizes_draw(&small_sizes, r)));
	out = use(malloc(sizes_draw(&buffer_sizes, r)));
	/* One in eight begins a session, which ends another one, of anybody. */
	if (!rng_below(r, 8)) {
		void *mine = use(malloc(sizes_draw(&session_sizes, r)));

		free(__atomic_exchange_n(&sessions[rng_below(r, SESSIONS_NR)], mine,
					 __ATOMIC_ACQ_REL));
		pairs++;
	}
	free(in);
	for (int i = 0; i < REQUEST_SMALL_NR; i++)
		free(small[i]);
	free(out);
	return pairs;
}

static void *work_server(void *arg)
{
	struct worker *w = arg;

	while (w->done < ops_each) {
		for (int i = 0; i < REQUESTS_PER_TURN; i++)
			w->done += request(&w->rng);
		/* A server's threads wait for the next request in between. */
		sched_yield();
	}
	return NULL;
}

static void start_all(void *(*work)(void *))
{
	pthread_attr_t attr;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_BYTES);
	for (unsigned int i = 0; i < workers_nr; i++) {
		workers[i].index = i;
		workers[i].rng = rng_seeded(i + 1);
		if (pthread_create(&workers[i].thread, &attr, work, &workers[i]))
			die("no thread");
	}
	for (unsigned int i = 0; i < workers_nr; i++)
		pthread_join(workers[i].thread, NULL);
}

static void setup(uint64_t ops)
{
	struct rng r = rng_seeded(13);

	if (workers_nr < 2 || workers_nr > THREADS_MAX || workers_nr % 2)
		die("2 to 256 threads, an even number");
	/* Whole batches and halves of them. */
	ops_each = (ops / workers_nr + BATCH_NR - 1) / BATCH_NR * BATCH_NR;
	workers = map_table(workers_nr * sizeof(*workers));
	boxes = map_table(workers_nr * sizeof(*boxes));
	sessions = map_table(SESSIONS_NR * sizeof(*sessions));
	for (unsigned int i = 0; i < workers_nr; i++) {
		pthread_mutex_init(&boxes[i].lock, NULL);
		pthread_cond_init(&boxes[i].changed, NULL);
	}
	sizes_fill(&small_sizes, &r, 16, 1024);
	sizes_fill(&buffer_sizes, &r, 1024, 32768);
	sizes_fill(&session_sizes, &r, 256, 2048);
}

void threads_run(char **args)
{
	static const struct {
		const char *name;
		void *(*work)(void *);
	} kinds[] = {
		{ "alone", work_alone }, { "pairs", work_pairs },
		{ "mesh", work_mesh }, { "server", work_server },
	};
	uint64_t cpu_ns, wall_ns, base_kib, done = 0;
	void *(*work)(void *) = NULL;

	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
		if (word_is(args, 0, kinds[i].name))
			work = kinds[i].work;
	if (!work)
		die("alone, pairs, mesh or server");
	workers_nr = number(args, 1);
	setup(number(args, 2));
	base_kib = memory_now().rss_kib;
	cpu_ns = process_cpu_ns();
	wall_ns = monotonic_ns();
	start_all(work);
	wall_ns = monotonic_ns() - wall_ns;
	cpu_ns = process_cpu_ns() - cpu_ns;
	for (unsigned int i = 0; i < workers_nr; i++)
		done += workers[i].done;
	print_number("cpu_ns", (double)cpu_ns / done);
	print_number("wall_ns", (double)wall_ns / done);
	print_number("peak_kib", (double)peak_rss_kib() - base_kib);
}

// SPDX-License-Identifier: MIT
/*
 * Per-CPU caches: the slow paths; see cpucache.h.
 *
 * Slabs are made under slabs_lock and kept for ever. A CPU's lock, which only
 * a CPU with a slab uses, guards the slab's capacities and in locked mode every
 * push and pop. In rseq mode the slab's current words belong
 * to whoever runs on that CPU; `end` is raised from anywhere by one store, and
 * lowered only while the slab is withdrawn: its pointer set to NULL, and a
 * membarrier(2) behind every sequence that may have read it before.
 */
#include "cpucache.h"

#include <errno.h>
#include <linux/membarrier.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "central.h"
#include "hs_mode.h"
#include "lock.h"
#include "meta.h"
#include "options.h"
#include "sys.h"
#include "transfer.h"

struct cpu {
	struct hs_lock lock;
	struct hs_slab *slab;	/* set once, under slabs_lock */
	size_t capacity_bytes;	/* sum of capacity * size over the classes */
} __attribute__((aligned(64)));

struct hs_slab *hs_slabs[HS_MAX_CPUS];
ptrdiff_t hs_rseq_offset;

static struct hs_lock slabs_lock;	/* outside the CPUs' locks */
static struct cpu cpus[HS_MAX_CPUS];
static unsigned int nr_cpus;		/* one past the highest CPU with a slab */
static enum hs_cache_mode mode = HS_CACHE_OFF;
static const char *mode_reason = "not started yet";
static enum hs_sparing sparing;		/* set and read without a lock: a hint */
static bool can_drain;			/* membarrier reaches rseq sections */

/* glibc 2.35 and newer; elsewhere these are NULL. */
extern const ptrdiff_t __rseq_offset __attribute__((weak));
extern const unsigned int __rseq_size __attribute__((weak));

/* ---- mode ---------------------------------------------------------------- */

static int membarrier(int command)
{
	int saved = errno;
	long ret = syscall(SYS_membarrier, command, 0, 0);
	int err = ret < 0 ? -errno : 0;

	errno = saved;
	return err;
}

/* Registration is a property of the mm: again in every forked child. */
static void membarrier_register(void)
{
	can_drain = mode != HS_CACHE_RSEQ ||
		!membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_RSEQ);
}

/* Why rseq cannot be used, or NULL. */
static const char *rseq_obstacle(void)
{
	if (!HS_ARCH_RSEQ)
		return "no restartable sequences for this processor yet";
	if (!hs_opt.rseq)
		return "HUGESPAN_RSEQ=0";
	if (!&__rseq_offset || !&__rseq_size)
		return "this libc does not register rseq (glibc 2.35 or newer does)";
	if (!__rseq_size)
		return "rseq is not registered: an old kernel, or glibc.pthread.rseq=0 in GLIBC_TUNABLES";
	return NULL;
}

void hs_cpu_init(void)
{
	const char *obstacle = rseq_obstacle();

	if (hs_opt.check) {
		mode = HS_CACHE_OFF;
		mode_reason = "HUGESPAN_CHECK=1";
	} else if (obstacle) {
		mode = HS_CACHE_LOCKED;
		mode_reason = obstacle;
	} else {
		mode = HS_CACHE_RSEQ;
		mode_reason = "";
		hs_rseq_offset = __rseq_offset;
	}
	membarrier_register();
}

const char *hs_cache_mode(void)
{
	static const char *const names[] = { "off", "locked", "rseq" };

	return names[mode];
}

const char *hs_cache_reason(void)
{
	return mode_reason;
}

/* ---- one push or pop in any mode ----------------------------------------- */

/* The CPU this thread runs on, or NULL when its number is beyond reason. */
static struct cpu *current_cpu(void)
{
	int saved = errno;
	int cpu = sched_getcpu();

	errno = saved;
	/* Without getcpu everyone shares one slab: slow and right. */
	if (cpu < 0)
		cpu = 0;
	return cpu < HS_MAX_CPUS ? &cpus[cpu] : NULL;
}

static bool has_slab(struct cpu *cpu)
{
	return __atomic_load_n(&cpu->slab, __ATOMIC_ACQUIRE) != NULL;
}

static HS_COLD void die_freed_twice(unsigned int c, const void *ptr)
{
	hs_sys_die("double free of %p (an object of %u bytes)", ptr,
		   hs_size_classes[c].size);
}

/* With the CPU's lock. */
static bool locked_push(struct cpu *cpu, unsigned int c, void *ptr)
{
	struct hs_slab_header *header = &cpu->slab->header[c];

	if (header->current > header->begin &&
	    cpu->slab->slot[header->current - 1] == ptr)
		die_freed_twice(c, ptr);
	if (header->current >= header->end)
		return false;
	cpu->slab->slot[header->current++] = ptr;
	return true;
}

static void *locked_pop(struct cpu *cpu, unsigned int c)
{
	struct hs_slab_header *header = &cpu->slab->header[c];

	if (header->current <= header->begin)
		return NULL;
	return cpu->slab->slot[--header->current];
}

/* From any mode, on whatever CPU the thread is now. */
static void *cache_pop(unsigned int c)
{
	struct cpu *cpu;
	void *ptr;

	if (mode == HS_CACHE_RSEQ)
		return hs_cpu_pop(c);
	cpu = current_cpu();
	if (!cpu || !has_slab(cpu))
		return NULL;
	hs_lock(&cpu->lock);
	ptr = locked_pop(cpu, c);
	hs_unlock(&cpu->lock);
	return ptr;
}

static bool cache_push(unsigned int c, void *ptr)
{
	struct cpu *cpu;
	bool done;

	if (mode == HS_CACHE_RSEQ)
		return hs_cpu_push(c, ptr) == HS_PUSH_DONE;
	cpu = current_cpu();
	if (!cpu || !has_slab(cpu))
		return false;
	hs_lock(&cpu->lock);
	done = locked_push(cpu, c, ptr);
	hs_unlock(&cpu->lock);
	return done;
}

/* ---- slabs and their capacity -------------------------------------------- */

static bool make_slab(struct cpu *cpu)
{
	unsigned int c, index = cpu - cpus;
	struct hs_slab *slab;

	HS_GUARD(&slabs_lock);
	if (cpu->slab)
		return true;
	slab = hs_meta_map(sizeof(*slab));
	if (!slab)
		return false;
	for (c = 1; c < HS_NR_CLASSES; c++) {
		slab->header[c].current = hs_size_classes[c].cpu_begin;
		slab->header[c].begin = hs_size_classes[c].cpu_begin;
		slab->header[c].end = hs_size_classes[c].cpu_begin;
	}
	__atomic_store_n(&cpu->slab, slab, __ATOMIC_RELEASE);
	if (mode == HS_CACHE_RSEQ)
		__atomic_store_n(&hs_slabs[index], slab, __ATOMIC_RELEASE);
	if (nr_cpus <= index)
		__atomic_store_n(&nr_cpus, index + 1, __ATOMIC_RELEASE);
	return true;
}

static unsigned int capacity(const struct cpu *cpu, unsigned int c)
{
	const struct hs_slab_header *header = &cpu->slab->header[c];

	return header->end - header->begin;
}

/* Double the class's capacity within the bounds; with the CPU's lock. */
static void grow_capacity(struct cpu *cpu, unsigned int c)
{
	const struct hs_size_class *sc = &hs_size_classes[c];
	struct hs_slab_header *header = &cpu->slab->header[c];
	unsigned int now = capacity(cpu, c);
	unsigned int add = now ? now : HS_CPU_CLASS_MIN;
	size_t room = 0;

	if (add > sc->cpu_max - now)
		add = sc->cpu_max - now;
	/* The first objects of a class are granted whatever the CPU holds. */
	if (now) {
		if (hs_opt.cpu_cache_bytes > cpu->capacity_bytes)
			room = hs_opt.cpu_cache_bytes - cpu->capacity_bytes;
		if (add > room / sc->size)
			add = room / sc->size;
	}
	if (!add)
		return;
	cpu->capacity_bytes += (size_t)add * sc->size;
	__atomic_store_n(&header->end, header->end + add, __ATOMIC_RELAXED);
}

/*
 * How many objects of the class to move at a time on the CPU we are on, after
 * letting the class grow there, from nothing only if may_open. 0: there is no
 * cache here.
 */
static unsigned int prepare_move(unsigned int c, bool may_open)
{
	struct cpu *cpu = current_cpu();
	unsigned int n;

	if (!cpu || (!has_slab(cpu) && !make_slab(cpu)))
		return 0;
	HS_GUARD(&cpu->lock);
	if (may_open || capacity(cpu, c))
		grow_capacity(cpu, c);
	n = (capacity(cpu, c) + 1) / 2;
	return n < hs_size_classes[c].batch ? n : hs_size_classes[c].batch;
}

/* ---- slow paths ---------------------------------------------------------- */

void *hs_cpu_alloc_slow(unsigned int size_class)
{
	void *objs[HS_BATCH_MAX];
	unsigned int n, i;

	if (mode == HS_CACHE_LOCKED) {
		objs[0] = cache_pop(size_class);
		if (objs[0])
			return objs[0];
	}
	n = mode == HS_CACHE_OFF ? 0 : prepare_move(size_class, true);
	if (!n)
		return hs_central_take(size_class, objs, 1) ? objs[0] : NULL;
	n = hs_transfer_take(size_class, objs, n);
	if (!n)
		return NULL;
	/* The first is the caller's; push the rest so that it pops upwards. */
	for (i = n; i > 1 && cache_push(size_class, objs[i - 1]); i--)
		;
	if (i > 1)
		hs_transfer_put(size_class, objs + 1, i - 1);
	return objs[0];
}

/*
 * The top of the stack was the very pointer being freed. It may be a stale
 * slot of the class below in the slab, so look again with the object in hand.
 */
static void check_freed_twice(unsigned int size_class, void *ptr)
{
	void *top = cache_pop(size_class);

	if (top == ptr)
		die_freed_twice(size_class, ptr);
	if (top && !cache_push(size_class, top))
		hs_transfer_put(size_class, &top, 1);
}

void hs_cpu_free_slow(unsigned int size_class, void *ptr, enum hs_push outcome)
{
	void *objs[HS_BATCH_MAX + 1];
	unsigned int n, i;

	if (mode == HS_CACHE_OFF) {
		hs_central_put(size_class, &ptr, 1);
		return;
	}
	if (outcome == HS_PUSH_TWICE)
		check_freed_twice(size_class, ptr);
	if (mode == HS_CACHE_LOCKED && cache_push(size_class, ptr))
		return;
	n = prepare_move(size_class, hs_cpu_sparing() < HS_SPARE_CLOSED);
	if (n && cache_push(size_class, ptr))
		return;
	/* Full: move the warm end of the stack on, this object with it. */
	for (i = 0; i < n; i++) {
		objs[i] = cache_pop(size_class);
		if (!objs[i])
			break;
	}
	objs[i++] = ptr;
	if (hs_cpu_sparing())
		hs_central_put(size_class, objs, i);
	else
		hs_transfer_put(size_class, objs, i);
}

void hs_cpu_set_sparing(enum hs_sparing now)
{
	__atomic_store_n(&sparing, now, __ATOMIC_RELAXED);
}

enum hs_sparing hs_cpu_sparing(void)
{
	return __atomic_load_n(&sparing, __ATOMIC_RELAXED);
}

/* ---- all CPUs ------------------------------------------------------------ */

/* Nothing is pushed, popped or grown, and no slab made, until release. */
static void lock_all(void)
{
	unsigned int i;

	hs_lock(&slabs_lock);
	for (i = 0; i < nr_cpus; i++)
		if (cpus[i].slab)
			hs_lock(&cpus[i].lock);
}

static void unlock_all(void)
{
	unsigned int i;

	for (i = 0; i < nr_cpus; i++)
		if (cpus[i].slab)
			hs_unlock(&cpus[i].lock);
	hs_unlock(&slabs_lock);
}

/* The slab is withdrawn (rseq) or its lock is held (locked): it is ours. */
static void drain_slab(struct cpu *cpu)
{
	struct hs_slab *slab = cpu->slab;
	unsigned int c;

	for (c = 1; c < HS_NR_CLASSES; c++) {
		struct hs_slab_header *header = &slab->header[c];
		unsigned int n = header->current - header->begin;

		header->current = header->begin;
		header->end = header->begin;
		if (n)
			hs_central_put(c, &slab->slot[header->begin], n);
	}
	cpu->capacity_bytes = 0;
}

int hs_cpu_drain(void)
{
	unsigned int i;

	if (!can_drain)
		return -EOPNOTSUPP;
	lock_all();
	if (mode == HS_CACHE_RSEQ) {
		for (i = 0; i < nr_cpus; i++)
			__atomic_store_n(&hs_slabs[i], NULL, __ATOMIC_RELAXED);
		membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ);
	}
	for (i = 0; i < nr_cpus; i++)
		if (cpus[i].slab)
			drain_slab(&cpus[i]);
	if (mode == HS_CACHE_RSEQ)
		for (i = 0; i < nr_cpus; i++)
			__atomic_store_n(&hs_slabs[i], cpus[i].slab,
					 __ATOMIC_RELEASE);
	unlock_all();
	return 0;
}

uint64_t hs_cpu_count(unsigned int size_class)
{
	unsigned int i, n = __atomic_load_n(&nr_cpus, __ATOMIC_ACQUIRE);
	uint64_t count = 0;

	for (i = 0; i < n; i++) {
		const struct hs_slab *slab =
			__atomic_load_n(&cpus[i].slab, __ATOMIC_ACQUIRE);

		if (slab)
			count += slab->header[size_class].current -
				 slab->header[size_class].begin;
	}
	return count;
}

/* ---- fork ---------------------------------------------------------------- */

void hs_cpu_fork_prepare(void)
{
	lock_all();
}

void hs_cpu_fork_parent(void)
{
	unlock_all();
}

void hs_cpu_fork_child(void)
{
	unsigned int i;

	for (i = 0; i < nr_cpus; i++)
		hs_lock_reset(&cpus[i].lock);
	hs_lock_reset(&slabs_lock);
	membarrier_register();
}

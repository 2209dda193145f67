// SPDX-License-Identifier: MIT
/*
 * The table of promised huge pages (backend_promise.h): one page of shared
 * memory, whose words are written with single atomic operations.
 *
 * Who is alive. A process that ended is not there any more, and one that runs
 * another program does not have the table at its address any more. Where the
 * kernel does not say (EPERM, a pid of another namespace), it counts as alive:
 * too many promises cost a copy at a fork, too few a process.
 *
 * A child's promise is made before the fork, when nobody knows its pid: the
 * slot is PENDING with the pid of the parent until the child puts its own
 * there. So that a child that never came (fork failed, or it was killed on its
 * first steps) does not keep its promise for ever, parent and child share one
 * page, the probe, that neither writes to; the child lets go of it once it has
 * its slot. If the kernel says that the probe is the parent's alone, no child
 * is on its way.
 */
#include "backend_promise.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "sys.h"

/*
 * Slots for sharing children at one time; the next child gets a copy. A
 * mapping needs a slot for so short a time that few suffice, which children
 * never take.
 */
#define NR_CHILDREN 192
#define NR_SLOTS 255

/*
 * owner, in one word:
 *	bits  0-21	pid (the kernel's are no longer); 0: the slot is free
 *	bit   22	PENDING: for a child of pid that is not here yet
 *	bits 23-43	the namespace of pid, by the end of its number; 0: unknown
 *	bits 44-63	turn: counts owners, so that no two are alike
 * A free slot has no pages: they go first when it is given back.
 */
#define OWNER_PID ((1ull << 22) - 1)
#define OWNER_PENDING (1ull << 22)
#define OWNER_NS (((1ull << 21) - 1) << 23)
#define OWNER_TURN (~0ull << 44)
#define OWNER_NEXT_TURN (1ull << 44)

struct hs_promise {
	uint64_t owner;
	uint64_t nr_pages;
};

static struct table {
	uint64_t key;		/* no other table has it */
	struct hs_promise slot[NR_SLOTS];
} *table;

_Static_assert(sizeof(struct table) <= 4096, "the table is one page");

static struct hs_promise *mine;		/* made by my parent before the fork */
static struct hs_promise *to_child;	/* of the fork under way */
static uint64_t to_child_owner;		/* while its owner is this */
static char *probe;
static uint64_t my_ns;			/* its bits of an owner */

static uint64_t my_pid(void)
{
	return (uint64_t)hs_sys_call(SYS_getpid, 0, 0, 0, 0, 0, 0);
}

/* From "pid:[4026531836]", or 0 where /proc does not say. */
static uint64_t read_my_ns(void)
{
	char text[64];
	long len = hs_sys_call(SYS_readlinkat, AT_FDCWD,
			       (long)"/proc/self/ns/pid", (long)text,
			       sizeof(text) - 1, 0, 0);
	uint64_t ns;

	if (len <= 0)
		return 0;
	text[len] = '\0';
	return hs_sys_text_field(text, "pid:[", &ns) ? 0 : ns << 23 & OWNER_NS;
}

static uint64_t owner_of(const struct hs_promise *p)
{
	return __atomic_load_n(&p->owner, __ATOMIC_SEQ_CST);
}

static bool change_owner(struct hs_promise *p, uint64_t from, uint64_t to)
{
	return __atomic_compare_exchange_n(&p->owner, &from, to, false,
					   __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}

/* ---- who is alive -------------------------------------------------------- */

/* Does that process have another program in the place of our table? */
static bool runs_another_program(uint64_t pid)
{
	uint64_t key = 0;
	struct iovec here = { &key, sizeof(key) };
	struct iovec there = { &table->key, sizeof(table->key) };
	long got = hs_sys_call(SYS_process_vm_readv, (long)pid, (long)&here, 1,
			       (long)&there, 1, 0);

	return got == -EFAULT || (got == sizeof(key) && key != table->key);
}

static bool is_alive(uint64_t owner)
{
	uint64_t pid = owner & OWNER_PID;

	if (!pid)
		return false;
	if (!my_ns || (owner & OWNER_NS) != my_ns || pid == my_pid())
		return true;
	return hs_sys_call(SYS_kill, (long)pid, 0, 0, 0, 0, 0) != -ESRCH &&
	       !runs_another_program(pid);
}

/* ---- the probe ----------------------------------------------------------- */

/* Bits of an entry of pagemap (Documentation/admin-guide/mm/pagemap.rst). */
#define PAGEMAP_EXCLUSIVE (1ull << 56)
#define PAGEMAP_PRESENT (1ull << 63)

static void set_up_probe(void)
{
	size_t bytes = hs_sys_page_bytes();

	if (!probe)
		probe = hs_sys_map(bytes, 0);
	if (!probe)
		return;
	hs_sys_madvise(probe, bytes, MADV_NOHUGEPAGE);
	/* In a child: let go of the parent's. */
	hs_sys_madvise(probe, bytes, MADV_DONTNEED);
	*(volatile char *)probe = 1;
}

static bool a_child_may_come(void)
{
	uint64_t entry = 0;
	long got;
	int fd;

	if (!probe)
		return true;
	fd = hs_sys_open("/proc/self/pagemap", O_RDONLY);
	if (fd < 0)
		return true;
	got = hs_sys_call(SYS_pread64, fd, (long)&entry, sizeof(entry),
			  (long)((size_t)probe / hs_sys_page_bytes() *
				 sizeof(entry)), 0, 0);
	hs_sys_close(fd);
	return got != sizeof(entry) ||
	       (~entry & (PAGEMAP_PRESENT | PAGEMAP_EXCLUSIVE));
}

/* ---- slots --------------------------------------------------------------- */

void hs_promises_found(void)
{
	size_t bytes = hs_sys_page_bytes();
	struct table *t;
	int err;

	if (table)
		return;
	t = hs_sys_mmap(NULL, bytes, PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_ANONYMOUS, -1, 0, &err);
	if (!t)
		return;
	if (hs_sys_call(SYS_getrandom, (long)&t->key, sizeof(t->key), 0,
			0, 0, 0) != sizeof(t->key))
		t->key = (uint64_t)(uintptr_t)t + my_pid();
	my_ns = read_my_ns();
	set_up_probe();
	table = t;
}

bool hs_promises_founded(void)
{
	return table != NULL;
}

/* Free, or its owner is gone. */
static bool take(struct hs_promise *p, uint64_t flags, uint64_t nr_pages)
{
	uint64_t old = owner_of(p);
	uint64_t turn = (old & OWNER_TURN) + OWNER_NEXT_TURN;

	if (is_alive(old) ||
	    !change_owner(p, old, turn | my_ns | flags | my_pid()))
		return false;
	__atomic_store_n(&p->nr_pages, nr_pages, __ATOMIC_SEQ_CST);
	return true;
}

static struct hs_promise *take_any(int first, int end, uint64_t flags,
				   uint64_t nr_pages)
{
	for (int i = first; i < end; i++)
		if (take(&table->slot[i], flags, nr_pages))
			return &table->slot[i];
	return NULL;
}

/* If it is still @owner's. */
static void give_back(struct hs_promise *p, uint64_t owner)
{
	uint64_t turn = owner & OWNER_TURN;

	/* Ours in any case, and no child's any more. */
	if (!change_owner(p, owner, turn | my_ns | my_pid()))
		return;
	__atomic_store_n(&p->nr_pages, 0, __ATOMIC_SEQ_CST);
	__atomic_store_n(&p->owner, turn, __ATOMIC_SEQ_CST);
}

/* What was promised to children of mine that will not come. */
static void give_back_pending(void)
{
	if (a_child_may_come())
		return;
	for (int i = 0; i < NR_CHILDREN; i++) {
		struct hs_promise *p = &table->slot[i];
		uint64_t owner = owner_of(p);

		if ((owner & ~OWNER_TURN) == (my_ns | OWNER_PENDING | my_pid()))
			give_back(p, owner);
	}
}

/* Returns what is left. */
static uint64_t lower(struct hs_promise *p, uint64_t nr_pages)
{
	uint64_t old = __atomic_load_n(&p->nr_pages, __ATOMIC_SEQ_CST);
	uint64_t left;

	do {
		left = old > nr_pages ? old - nr_pages : 0;
	} while (!__atomic_compare_exchange_n(&p->nr_pages, &old, left, false,
					      __ATOMIC_SEQ_CST,
					      __ATOMIC_SEQ_CST));
	return left;
}

/* ---- promises ------------------------------------------------------------ */

struct hs_promise *hs_promise_make(uint64_t nr_pages)
{
	return take_any(NR_CHILDREN, NR_SLOTS, 0, nr_pages);
}

void hs_promise_drop(struct hs_promise *promise)
{
	give_back(promise, owner_of(promise));
}

bool hs_promise_to_child(uint64_t nr_pages)
{
	if (!table)
		return false;
	if (to_child) {
		/* A child that is here already has no part in it. */
		if (owner_of(to_child) == to_child_owner)
			__atomic_fetch_add(&to_child->nr_pages, nr_pages,
					   __ATOMIC_SEQ_CST);
		return true;
	}
	give_back_pending();
	to_child = take_any(0, NR_CHILDREN, OWNER_PENDING, nr_pages);
	if (!to_child)
		return false;
	to_child_owner = owner_of(to_child);
	return true;
}

void hs_promise_less_to_child(uint64_t nr_pages)
{
	if (owner_of(to_child) != to_child_owner || lower(to_child, nr_pages))
		return;
	give_back(to_child, to_child_owner);
	to_child = NULL;
}

void hs_promise_less_to_me(uint64_t nr_pages)
{
	uint64_t owner;

	if (!mine)
		return;
	owner = owner_of(mine);
	/* A child made without handlers has its parent's idea of "mine". */
	if ((owner & ~OWNER_TURN) != (my_ns | my_pid()) ||
	    lower(mine, nr_pages))
		return;
	give_back(mine, owner);
	mine = NULL;
}

uint64_t hs_promise_sum(void)
{
	uint64_t sum = 0;

	for (int i = 0; table && i < NR_SLOTS; i++) {
		const struct hs_promise *p = &table->slot[i];
		uint64_t nr = __atomic_load_n(&p->nr_pages, __ATOMIC_SEQ_CST);

		if (nr && is_alive(owner_of(p)))
			sum += nr;
	}
	return sum;
}

/* ---- the two sides of a fork --------------------------------------------- */

void hs_promise_fork_parent(void)
{
	if (!to_child)
		return;
	to_child = NULL;	/* the child's, if it comes */
	give_back_pending();
}

void hs_promise_fork_child(void)
{
	uint64_t nr_pages;

	if (!table)
		return;
	my_ns = read_my_ns();
	mine = to_child;
	to_child = NULL;
	if (mine) {
		nr_pages = __atomic_load_n(&mine->nr_pages, __ATOMIC_SEQ_CST);
		/*
		 * A parent that ended before this line no longer vouches for
		 * us: others of the family may have taken the slot.
		 */
		if (!change_owner(mine, to_child_owner,
				  (to_child_owner & OWNER_TURN) | my_ns |
				  my_pid()))
			mine = take_any(0, NR_CHILDREN, 0, nr_pages);
	}
	set_up_probe();
}

// SPDX-License-Identifier: MIT
/*
 * Backend thp: ordinary anonymous memory that the kernel backs with huge
 * pages where it can, now or later.
 */
#include <errno.h>
#include <hugespan.h>
#include <linux/prctl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "backend_impl.h"
#include "sys.h"

#define THP_DIR "/sys/kernel/mm/transparent_hugepage/"

/* In "always [madvise] never", is @word the one in brackets? */
static bool is_chosen(const char *text, const char *word)
{
	const char *open = strchr(text, '[');
	size_t len = strlen(word);

	return open && !strncmp(open + 1, word, len) && open[1 + len] == ']';
}

static bool grants_advice(const char *text)
{
	return is_chosen(text, "always") || is_chosen(text, "madvise");
}

/*
 * Newer kernels have a switch for each size of huge page, which may defer to
 * the general one ("inherit") or overrule it.
 */
static bool is_enabled(size_t unit_bytes, const char **switch_path,
		       char *path, size_t path_size)
{
	char text[128];

	*switch_path = path;
	hs_sys_format(path, path_size, THP_DIR "hugepages-%zukB/enabled",
		      unit_bytes >> 10);
	if (hs_sys_read_file(path, text, sizeof(text)) > 0 &&
	    !is_chosen(text, "inherit"))
		return grants_advice(text);
	*switch_path = THP_DIR "enabled";
	return hs_sys_read_file(THP_DIR "enabled", text, sizeof(text)) > 0 &&
	       grants_advice(text);
}

static int thp_probe(struct hs_backend *b, char *why, size_t why_size)
{
	const char *switch_path;
	char text[64], path[96];
	uint64_t bytes;

	if (hs_sys_read_file(THP_DIR "hpage_pmd_size", text, sizeof(text)) < 0 ||
	    hs_sys_text_field(text, "", &bytes) || !hs_is_pow2(bytes)) {
		hs_sys_format(why, why_size,
			      "this kernel has no transparent huge pages "
			      "(or /sys is not mounted)");
		return -EOPNOTSUPP;
	}
	b->unit_bytes = bytes;
	if (!is_enabled(bytes, &switch_path, path, sizeof(path))) {
		hs_sys_format(why, why_size,
			      "transparent huge pages are off: echo madvise > %s",
			      switch_path);
		return -EOPNOTSUPP;
	}
	if (hs_sys_call(SYS_prctl, PR_GET_THP_DISABLE, 0, 0, 0, 0, 0) > 0) {
		hs_sys_format(why, why_size,
			      "transparent huge pages are off for this process: "
			      "do not start it under prctl(PR_SET_THP_DISABLE)");
		return -EOPNOTSUPP;
	}
	return 0;
}

/*
 * Most programs are small. The first unit of a heap begins with small pages, so
 * that one that needs 100 KiB has 100 KiB and no unit is cleared for it.
 */
static bool starts_small(const struct hs_backend *b,
			 const struct hs_map_request *req,
			 const struct hs_extent *x)
{
	return req->may_start_small && !req->populate && !b->nr_mapped_total &&
	       x->bytes == b->unit_bytes;
}

/* The program is not so small: what was touched is the kernel's to collapse. */
static void first_becomes_huge(struct hs_backend *b)
{
	struct hs_extent *x;

	if (hs_list_empty(&b->extents))
		return;
	x = hs_container(b->extents.next, struct hs_extent, link);
	if (!x->starts_small)
		return;
	hs_sys_madvise(x->base, x->bytes, MADV_HUGEPAGE);
	x->starts_small = false;
}

static int thp_map(struct hs_backend *b, const struct hs_map_request *req,
		   struct hs_extent *x)
{
	static const struct hs_anon_kind huge = { .advice = MADV_HUGEPAGE };
	static const struct hs_anon_kind small = { .advice = MADV_NOHUGEPAGE };

	first_becomes_huge(b);
	x->starts_small = starts_small(b, req, x);
	return hs_anon_map(b, req, x, x->starts_small ? &small : &huge);
}

const struct hs_backend_ops hs_thp_ops = {
	.id = HS_BACKEND_THP,
	.probe = thp_probe,
	.map = thp_map,
	.populate = hs_anon_populate,
	.unmap = hs_anon_unmap,
	.trim = hs_anon_trim,
};

// SPDX-License-Identifier: MIT
/* What keeps programs from the device: module, node, group, udev, pool. */
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <linux/hugespan.h>

#include "alloc.h"
#include "cli.h"
#include "doctor.h"
#include "poolarg.h"
#include "sysroot.h"
#include "text.h"

#define GROUP "hugespan"

#define UDEV_RULE "KERNEL==\"hugespan\", SUBSYSTEM==\"misc\"," \
	" GROUP=\"hugespan\", MODE=\"0660\""

static void fix_by_loading(struct doctor *doctor)
{
	doctor_fix(doctor, "sudo %s pool load 512M", cli_self());
}

static void fix_by_reloading(struct doctor *doctor)
{
	doctor_fix(doctor, "sudo %s pool unload && sudo %s pool load 512M",
		   cli_self(), cli_self());
}

static void check_not_loaded(struct doctor *doctor)
{
	enum doctor_level level = doctor_device_level(doctor);
	const struct kmodule *module = &doctor->module;
	const char *release = sys_kernel_release();
	char enforce[8];

	if (!module->path[0]) {
		doctor_find(doctor, level, "not loaded, and there is none for"
			    " the running kernel, %s", release);
		doctor_fix(doctor, "make modules KDIR=/lib/modules/%s/build &&"
			   " sudo %s pool load 512M --module"
			   " build/kmod/%s/hugespan.ko", release, cli_self(),
			   release);
	} else if (module->file_release[0] &&
		   strcmp(module->file_release, release) != 0) {
		doctor_find(doctor, level, "not loaded; %s is built for kernel"
			    " %s, this is %s", module->path,
			    module->file_release, release);
		doctor_fix(doctor, "make modules KDIR=/lib/modules/%s/build",
			   release);
	} else {
		doctor_find(doctor, level, "not loaded; there is %s",
			    module->path);
		fix_by_loading(doctor);
	}
	sys_read(enforce, sizeof(enforce),
		 "/sys/module/module/parameters/sig_enforce");
	if (strcmp(enforce, "Y") == 0) {
		doctor_find(doctor, DOCTOR_NOTE, "this kernel loads only"
			    " modules that are signed by a key it knows"
			    " (Secure Boot)");
		doctor_fix(doctor, "sudo /lib/modules/%s/build/scripts/"
			   "sign-file sha256 KEY CERTIFICATE %s", release,
			   module->path[0] ? module->path : "hugespan.ko");
	}
}

void doctor_check_module(struct doctor *doctor)
{
	const struct kmodule *module = &doctor->module;
	const struct pool_info *pool = &doctor->pool;

	if (!module->is_loaded && !pool->is_loaded) {
		check_not_loaded(doctor);
		return;
	}
	if (!pool->is_loaded) {
		doctor_find(doctor, DOCTOR_FAIL, "a module of that name is"
			    " loaded, but /sys/kernel/hugespan is not there");
		doctor_fix(doctor, "sudo rmmod hugespan && sudo %s pool load"
			   " 512M && sudo dmesg | grep hugespan", cli_self());
		return;
	}
	if (pool->api_version != HUGESPAN_API_VERSION) {
		doctor_find(doctor, DOCTOR_FAIL, "the module has version %u of"
			    " the interface, the library %u: they are of"
			    " different makes", pool->api_version,
			    HUGESPAN_API_VERSION);
		fix_by_reloading(doctor);
		return;
	}
	if (module->version[0] && strcmp(module->version, HS_VERSION) != 0) {
		doctor_find(doctor, DOCTOR_WARN, "the loaded module is %s,"
			    " this command %s", module->version, HS_VERSION);
		fix_by_reloading(doctor);
		return;
	}
	if (module->version[0] && module->file_version[0] &&
	    strcmp(module->version, module->file_version) != 0) {
		doctor_find(doctor, DOCTOR_NOTE, "loaded is %s, but %s is %s",
			    module->version, module->path,
			    module->file_version);
		fix_by_reloading(doctor);
		return;
	}
	doctor_find(doctor, DOCTOR_OK, "loaded%s%s, API version %u",
		    module->version[0] ? ", version " : "", module->version,
		    pool->api_version);
}

/* The command that makes the node, with the number that the module has. */
static char *mknod_command(void)
{
	const char *path = sys_device_path();

	return xasprintf("sudo mknod -m 0660 %s c $(tr : ' '"
			 " </sys/class/misc/hugespan/dev) && sudo chgrp "
			 GROUP " %s", path, path);
}

/* /etc/group of the made-up system, or the system's own data base. */
static bool find_group(gid_t *gid, char ***members)
{
	static char *none[] = { NULL };
	struct group *group = NULL;
	FILE *file;

	*members = none;
	if (sys_is_fake()) {
		file = sys_open("/etc/group");
		while (file && (group = fgetgrent(file)))
			if (strcmp(group->gr_name, GROUP) == 0)
				break;
		if (file)
			fclose(file);
	} else {
		group = getgrnam(GROUP);
	}
	if (!group)
		return false;
	*gid = group->gr_gid;
	*members = group->gr_mem;
	return true;
}

static void check_rights(struct doctor *doctor, const struct stat *st)
{
	const char *path = sys_device_path();
	unsigned int mode = st->st_mode & 07777;
	bool has_group;
	char **members;
	gid_t gid;

	if (mode & 0007) {
		doctor_find(doctor, DOCTOR_WARN, "%s has mode %04o: every user"
			    " may take the pool", path, mode);
		doctor_fix(doctor, "sudo chmod 0660 %s", path);
	} else if ((mode & 0660) != 0660) {
		doctor_find(doctor, DOCTOR_WARN, "%s has mode %04o: its group"
			    " may not use it", path, mode);
		doctor_fix(doctor, "sudo chmod 0660 %s", path);
	}
	has_group = find_group(&gid, &members);
	if (!has_group || gid != st->st_gid) {
		doctor_find(doctor, DOCTOR_WARN, "%s does not belong to the"
			    " group " GROUP ", but to group %u", path,
			    st->st_gid);
		doctor_fix(doctor, "%ssudo chgrp " GROUP " %s", has_group ? "" :
			   "sudo groupadd --system " GROUP " && ", path);
	}
}

static void check_open(struct doctor *doctor)
{
	const char *path = sys_device_path();
	struct passwd *user;

	switch (doctor->pool.open_error) {
	case 0:
		doctor_find(doctor, DOCTOR_OK, "%s can be opened", path);
		break;
	case EACCES:
	case EPERM:
		user = getpwuid(geteuid());
		doctor_find(doctor, DOCTOR_FAIL, "this user may not open %s",
			    path);
		doctor_fix(doctor, "sudo usermod -aG " GROUP " %s, then log in"
			   " again", user ? user->pw_name : "USER");
		break;
	case ENOTTY:
		doctor_find(doctor, DOCTOR_FAIL, "%s is another device than"
			    " the module's", path);
		doctor_fix(doctor, "sudo rm %s; then make it anew: sudo"
			   " %s pool unload && sudo %s pool load 512M", path,
			   cli_self(), cli_self());
		break;
	default:
		doctor_find(doctor, DOCTOR_FAIL, "%s cannot be opened: %s",
			    path, strerror(doctor->pool.open_error));
		doctor_fix(doctor, "sudo dmesg | grep hugespan");
	}
}

void doctor_check_node(struct doctor *doctor)
{
	const char *path = sys_device_path();
	char full[PATH_MAX], *mknod;
	struct stat st;
	bool there;

	there = stat(sys_path(full, "%s", path), &st) == 0;
	if (!doctor->pool.is_loaded) {
		if (there) {
			doctor_find(doctor, DOCTOR_WARN, "%s is there, though"
				    " the module is not loaded", path);
			doctor_fix(doctor, "sudo rm %s", path);
		}
		return;
	}
	if (!there || !S_ISCHR(st.st_mode)) {
		mknod = mknod_command();
		if (there)
			doctor_find(doctor, DOCTOR_FAIL,
				    "%s is no character device", path);
		else
			doctor_find(doctor, DOCTOR_FAIL, "%s does not exist,"
				    " though the module is loaded (a container"
				    " has a /dev of its own)", path);
		if (there)
			doctor_fix(doctor, "sudo rm %s && %s", path, mknod);
		else
			doctor_fix(doctor, "%s", mknod);
		free(mknod);
		return;
	}
	check_rights(doctor, &st);
	check_open(doctor);
}

static bool process_has_group(gid_t gid)
{
	int i, nr = getgroups(0, NULL);
	bool found = getegid() == gid;
	gid_t *groups;

	if (nr < 0)
		return found;
	groups = xcalloc(nr, sizeof(*groups));
	nr = getgroups(nr, groups);
	for (i = 0; i < nr; i++)
		found |= groups[i] == gid;
	free(groups);
	return found;
}

void doctor_check_group(struct doctor *doctor)
{
	struct passwd *user = getpwuid(geteuid());
	const char *name = user ? user->pw_name : "USER";
	enum doctor_level level;
	char **member;
	gid_t gid;

	/* Without the module it is early days. */
	level = doctor->pool.is_loaded ? DOCTOR_WARN : DOCTOR_NOTE;
	if (!find_group(&gid, &member)) {
		doctor_find(doctor, level, "there is no group " GROUP ": only"
			    " root can use the device");
		doctor_fix(doctor, "sudo groupadd --system " GROUP);
		return;
	}
	if (geteuid() == 0) {
		doctor_find(doctor, DOCTOR_OK, "group " GROUP " exists; root"
			    " need not be in it");
		return;
	}
	if (process_has_group(gid)) {
		doctor_find(doctor, DOCTOR_OK, "%s is in group " GROUP, name);
		return;
	}
	while (*member && strcmp(*member, name) != 0)
		member++;
	if (*member) {
		doctor_find(doctor, level, "%s was put into group " GROUP
			    ", but not yet when this shell began", name);
		doctor_fix(doctor, "newgrp " GROUP " (or log in again)");
	} else {
		doctor_find(doctor, level, "%s is not in group " GROUP, name);
		doctor_fix(doctor, "sudo usermod -aG " GROUP " %s, then log in"
			   " again", name);
	}
}

/* Does a file of this folder speak of the device? Its path, in out. */
static bool find_rule(const char *folder, char out[PATH_MAX])
{
	DIR *dir = sys_opendir("%s", folder);
	struct dirent *entry;
	char text[4096];
	bool found = false;

	while (dir && !found && (entry = readdir(dir))) {
		const char *dot = strrchr(entry->d_name, '.');

		if (!dot || strcmp(dot, ".rules") != 0)
			continue;
		sys_read(text, sizeof(text), "%s/%s", folder, entry->d_name);
		found = strstr(text, "\"hugespan\"");
		if (found)
			snprintf(out, PATH_MAX, "%s/%s", folder,
				 entry->d_name);
	}
	if (dir)
		closedir(dir);
	return found;
}

void doctor_check_udev(struct doctor *doctor)
{
	static const char *const folders[] = {
		"/etc/udev/rules.d", "/run/udev/rules.d",
		"/usr/local/lib/udev/rules.d", "/usr/lib/udev/rules.d",
		"/lib/udev/rules.d",
	};
	enum doctor_level level;
	char path[PATH_MAX];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(folders); i++) {
		if (!find_rule(folders[i], path))
			continue;
		doctor_find(doctor, DOCTOR_OK, "%s gives the node its group",
			    path);
		return;
	}
	if (!sys_exists("/run/udev")) {
		doctor_find(doctor, DOCTOR_NOTE, "no udev runs here: the"
			    " node's group has to be set after every load");
		doctor_fix(doctor, "sudo chgrp " GROUP " %s",
			   sys_device_path());
		return;
	}
	level = doctor->pool.is_loaded ? DOCTOR_WARN : DOCTOR_NOTE;
	doctor_find(doctor, level, "no udev rule gives the node its group");
	doctor_fix(doctor, "echo '%s' | sudo tee"
		   " /etc/udev/rules.d/60-hugespan.rules && sudo udevadm"
		   " control --reload && sudo udevadm trigger"
		   " --name-match=hugespan", UDEV_RULE);
}

/*
 * What the pool was last asked to have; of a module whose pool does not change
 * its size, what it was loaded for. False when that is not known.
 */
static bool read_asked(const struct pool_info *info, uint64_t *asked)
{
	char value[256], why[256];
	uint64_t nr_target;

	if (!sys_read_u64(&nr_target, "/sys/kernel/hugespan/nr_target")) {
		*asked = pool_bytes(info, nr_target);
		return true;
	}
	return !sys_read(value, sizeof(value),
			 "/sys/module/hugespan/parameters/pool") &&
	       !pool_arg_check(value, asked, why, sizeof(why));
}

/* Units that memory pressure has taken from the pool since load. */
static uint64_t nr_reclaimed(const struct pool_info *info)
{
	uint64_t nr, sum = 0;
	int i;

	for (i = 0; i < info->nr_nodes; i++)
		if (!sys_read_u64(&nr, "/sys/kernel/hugespan/node%d/reclaimed",
				  info->nodes[i].node))
			sum += nr;
	return sum;
}

/* True when it has less than it was asked to have. */
static bool check_pool_size(struct doctor *doctor, const struct pool_info *info)
{
	uint64_t have = pool_bytes(info, info->total.nr_units), asked;
	char a[TEXT_BYTES_MAX], b[TEXT_BYTES_MAX];

	if (!read_asked(info, &asked) || have >= asked)
		return false;
	text_bytes(a, have);
	text_bytes(b, asked);
	if (nr_reclaimed(info)) {
		doctor_find(doctor, DOCTOR_NOTE, "the pool has %s of the %s"
			    " asked for: it gave some back when the system was"
			    " short of memory", a, b);
		doctor_fix(doctor, "sudo %s pool grow %juM", cli_self(),
			   (uintmax_t)(asked - have) >> 20);
		return true;
	}
	doctor_find(doctor, DOCTOR_WARN, "the pool has %s of the %s asked for;"
		    " the kernel log has the reason", a, b);
	doctor_fix(doctor, "sudo dmesg | grep hugespan");
	return true;
}

static void fix_empty_pool(struct doctor *doctor)
{
	if (sys_exists("/sys/kernel/hugespan/nr_target"))
		doctor_fix(doctor, "sudo %s pool grow 512M", cli_self());
	else
		fix_by_reloading(doctor);
}

void doctor_check_pool(struct doctor *doctor)
{
	const struct pool_info *info = &doctor->pool;
	const struct pool_node *total = &info->total;
	char a[TEXT_BYTES_MAX], b[TEXT_BYTES_MAX];

	if (!info->is_loaded)
		return;
	if (!total->nr_units) {
		doctor_find(doctor, DOCTOR_FAIL, "the pool is empty");
		fix_empty_pool(doctor);
		return;
	}
	if (check_pool_size(doctor, info))
		;
	else if (total->nr_free)
		doctor_find(doctor, DOCTOR_OK, "%s of %s free",
			    text_bytes(a, pool_bytes(info, total->nr_free)),
			    text_bytes(b, pool_bytes(info, total->nr_units)));
	if (!total->nr_free) {
		doctor_find(doctor, DOCTOR_WARN, "nothing of the pool's %s is"
			    " free: programs started now do without the"
			    " device", text_bytes(a, pool_bytes(info,
							total->nr_units)));
		doctor_fix(doctor, "sudo %s stat --all", cli_self());
	}
	if (total->nr_quarantined)
		doctor_find(doctor, DOCTOR_NOTE, "%s freed, but still pinned"
			    " by the kernel (O_DIRECT, io_uring); it comes"
			    " back by itself", text_bytes(a, pool_bytes(info,
						total->nr_quarantined)));
	if (info->nr_refused)
		doctor_find(doctor, DOCTOR_NOTE, "%ju requests were refused"
			    " since load: the pool was too small for them",
			    (uintmax_t)info->nr_refused);
}

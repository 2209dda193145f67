// SPDX-License-Identifier: MIT
/*
 * Making a system of a booted kernel: modules, file systems, the loopback.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "init.h"

static void mount_at(const char *type, const char *from, const char *to,
		     unsigned long flags, const char *data)
{
	mkdir(to, 0755);
	if (mount(from, to, type, flags, data))
		fail(to);
}

void mount_dev(void)
{
	mount_at("devtmpfs", "dev", "/dev", 0, NULL);
	mkdir("/dev/pts", 0755);
	mkdir("/dev/shm", 0755);
}

int load_module(const char *path, const char *params)
{
	int fd, ret = 0;

	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (syscall(SYS_finit_module, fd, params, 0) && errno != EEXIST)
		ret = -errno;
	close(fd);
	return ret;
}

void load_modules(void)
{
	struct dirent **names;
	int i, nr, ret;
	char path[512];

	nr = scandir("/modules", &names, NULL, alphasort);
	for (i = 0; i < nr; i++) {
		if (names[i]->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "/modules/%s", names[i]->d_name);
		ret = load_module(path, "");
		if (ret) {
			errno = -ret;
			fail(path);
		}
	}
}

/*
 * The root is a squashfs with a tmpfs over it, or only a tmpfs; the tree under
 * test is a squashfs of its own with hs/ and hs-module/ in it.
 */
void make_root(const struct job *job)
{
	const char *tree = job->root ? "/dev/vdb" : "/dev/vda";

	mkdir("/new", 0755);
	if (job->root) {
		wait_for("/dev/vda");
		mount_at("squashfs", "/dev/vda", "/lower", MS_RDONLY, NULL);
		mount_at("tmpfs", "upper", "/rw", 0, "mode=755");
		mkdir("/rw/upper", 0755);
		mkdir("/rw/work", 0755);
		mount_at("overlay", "root", "/new", 0,
			 "lowerdir=/lower,upperdir=/rw/upper,workdir=/rw/work");
	} else {
		mount_at("tmpfs", "root", "/new", 0, "mode=755");
	}
	wait_for(tree);
	mount_at("squashfs", tree, "/tree", MS_RDONLY, NULL);
	mount_at(NULL, "/tree/hs", "/new/hs", MS_BIND, NULL);
	mount_at(NULL, "/tree/hs-module", "/new/hs-module", MS_BIND, NULL);
	mount_at(NULL, "/tree/hs-files", "/new/hs-files", MS_BIND, NULL);
	mkdir("/new/hs-out", 0777);
	mkdir("/new/dev", 0755);
	if (mount("/dev", "/new/dev", NULL, MS_MOVE, NULL) ||
	    chdir("/new") || mount(".", "/", NULL, MS_MOVE, NULL) ||
	    chroot(".") || chdir("/"))
		fail("the new root");
}

void mount_system(void)
{
	mount_at("proc", "proc", "/proc", 0, NULL);
	mount_at("sysfs", "sysfs", "/sys", 0, NULL);
	mount_at("debugfs", "debugfs", "/sys/kernel/debug", 0, NULL);
	mount_at("cgroup2", "cgroup2", "/sys/fs/cgroup", 0, NULL);
	mount_at("tmpfs", "tmp", "/tmp", MS_NOSUID | MS_NODEV, "mode=1777");
	mount_at("tmpfs", "run", "/run", MS_NOSUID | MS_NODEV, "mode=755");
	mount_at("tmpfs", "shm", "/dev/shm", MS_NOSUID | MS_NODEV, "mode=1777");
	mount_at("devpts", "devpts", "/dev/pts", 0, "mode=620,ptmxmode=666");
	/* tracefs may be absent; nothing depends on it. */
	mount("tracefs", "/sys/kernel/tracing", "tracefs", 0, NULL);
	symlink("/proc/self/fd", "/dev/fd");
	symlink("/proc/self/fd/0", "/dev/stdin");
	symlink("/proc/self/fd/1", "/dev/stdout");
	symlink("/proc/self/fd/2", "/dev/stderr");
}

void loopback_up(void)
{
	struct ifreq ifr = { .ifr_name = "lo" };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return;
	if (!ioctl(fd, SIOCGIFFLAGS, &ifr)) {
		ifr.ifr_flags |= IFF_UP | IFF_RUNNING;
		ioctl(fd, SIOCSIFFLAGS, &ifr);
	}
	close(fd);
}

/* As udev's rule does on a real system: the node belongs to the group. */
void own_device_node(void)
{
	char *line, *next, *text;
	unsigned int gid;

	if (access("/dev/hugespan", F_OK) || access("/etc/group", F_OK))
		return;
	text = read_file("/etc/group", NULL);
	for (line = strtok_r(text, "\n", &next); line;
	     line = strtok_r(NULL, "\n", &next))
		if (sscanf(line, "hugespan:%*[^:]:%u", &gid) == 1 &&
		    chown("/dev/hugespan", 0, gid))
			tell("fail chown of /dev/hugespan: %s\n",
			     strerror(errno));
	free(text);
}

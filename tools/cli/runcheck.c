// SPDX-License-Identifier: MIT
/* Will the loader preload into this program? */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "alloc.h"
#include "cli.h"
#include "runcheck.h"

/* The file that execvp(3) will take; NULL when it finds none. To be freed. */
static char *resolve(const char *command)
{
	char *path, *dirs, *dir, *rest;

	if (strchr(command, '/'))
		return xstrdup(command);
	path = getenv("PATH");
	rest = dirs = xstrdup(path ? path : "/bin:/usr/bin");
	while ((dir = strsep(&rest, ":"))) {
		char *file = xasprintf("%s/%s", *dir ? dir : ".", command);

		if (access(file, X_OK) == 0) {
			free(dirs);
			return file;
		}
		free(file);
	}
	free(dirs);
	return NULL;
}

/* Of an ELF file: does it name a loader? Static-pie ones do not. */
static bool has_interpreter(int fd, const ElfW(Ehdr) *header)
{
	ElfW(Phdr) segment;
	int i;

	for (i = 0; i < header->e_phnum; i++) {
		off_t at = header->e_phoff + (off_t)i * header->e_phentsize;

		if (pread(fd, &segment, sizeof(segment), at) !=
		    (ssize_t)sizeof(segment))
			return true;	/* damaged: exec will say so */
		if (segment.p_type == PT_INTERP)
			return true;
	}
	return false;
}

static const char *why_ignored(int fd)
{
	/* This very file is for the machine that the shim is for. */
	int self = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	ElfW(Ehdr) header, ours;
	struct stat st;
	bool known;

	known = self >= 0 && read(self, &ours, sizeof(ours)) ==
			     (ssize_t)sizeof(ours);
	if (self >= 0)
		close(self);
	if (fstat(fd, &st) < 0 || !known)
		return NULL;
	if (((st.st_mode & S_ISUID) && st.st_uid != geteuid()) ||
	    ((st.st_mode & S_ISGID) && st.st_gid != getegid()))
		return "it is set-user-ID or set-group-ID";
	if (geteuid() && fgetxattr(fd, "security.capability", NULL, 0) > 0)
		return "it has file capabilities";
	if (pread(fd, &header, sizeof(header), 0) != (ssize_t)sizeof(header) ||
	    memcmp(header.e_ident, ELFMAG, SELFMAG) != 0)
		return NULL;	/* a script: its interpreter is what counts */
	if (header.e_ident[EI_CLASS] != ours.e_ident[EI_CLASS] ||
	    header.e_machine != ours.e_machine)
		return "it is for another architecture than the shim";
	if (!has_interpreter(fd, &header))
		return "it is statically linked";
	return NULL;
}

void run_check(const char *command)
{
	char *file = resolve(command);
	const char *why;
	int fd;

	if (!file)
		return;
	fd = open(file, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		why = why_ignored(fd);
		if (why)
			cli_error("warning: %s keeps its own malloc, for %s"
				  " (LD_PRELOAD has no effect on it)",
				  file, why);
		close(fd);
	}
	free(file);
}

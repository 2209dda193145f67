/* SPDX-License-Identifier: MIT */
/*
 * What the parts of the guests' init share; main.c says what init does.
 */
#ifndef HUGESPAN_VM_INIT_H
#define HUGESPAN_VM_INIT_H

#include <stdbool.h>
#include <stddef.h>

#define MAX_WORDS	512	/* of argv, and of env */

/* What the host asks for; /job/options has a line for each that is set. */
struct job {
	bool insmod;		/* load /hs-module/hugespan.ko ... */
	char params[1024];	/* ... with these parameters */
	bool root;		/* a root image is on vda, the tree on vdb */
	bool out;		/* send /hs-out through port 4 */
	bool tty;		/* the command gets the second serial line */
	unsigned long hugetlb;	/* huge pages to reserve */
	char *argv[MAX_WORDS + 1];
	char *env[MAX_WORDS + 1];
};

/* A line to the host; on the console as long as there is no control port. */
void tell(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
extern int control_port;

/* Both end the guest. fail() tells the host what failed, and errno. */
void power_off(void) __attribute__((noreturn));
void fail(const char *what) __attribute__((noreturn));

void sleep_ms(long ms);
long now_ms(void);
void wait_for(const char *path);

/* The whole file with a NUL after it; the caller owns it. len may be NULL. */
char *read_file(const char *path, size_t *len);
void write_number(const char *path, unsigned long number);

/* Returns 0 or a negative errno. */
int load_module(const char *path, const char *params);

/* system.c: from an initramfs with only /dev in it to a whole system. */
void mount_dev(void);
void load_modules(void);
void make_root(const struct job *job);
void mount_system(void);
void loopback_up(void);
void own_device_node(void);

#endif /* HUGESPAN_VM_INIT_H */

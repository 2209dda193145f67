/* SPDX-License-Identifier: MIT */
/*
 * The kernel log, from a moment on: what the module says while it is loaded
 * is why it got less than was asked for, or nothing.
 */
#ifndef CLI_KLOG_H
#define CLI_KLOG_H

/* A descriptor that stands at the log's end; -1 where it may not be read. */
int klog_open(void);

/*
 * Print the module's lines since klog_open() on stderr, and close. How many
 * there were.
 */
int klog_print(int fd);

#endif /* CLI_KLOG_H */

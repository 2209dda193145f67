/* SPDX-License-Identifier: MIT */
/*
 * The kernel's harness, with one thing changed: how long a test may take. An
 * emulated guest that shares two CPUs with others is some hundred times slower
 * than a machine, and the limit is there to end a hang, not to judge speed.
 */
#ifndef SELFTEST_KSELFTEST_HARNESS_H
#define SELFTEST_KSELFTEST_HARNESS_H

#include_next <kselftest_harness.h>

/* The harness's macros read it where a test is defined. In seconds. */
#undef TEST_TIMEOUT_DEFAULT
#define TEST_TIMEOUT_DEFAULT 300

#endif /* SELFTEST_KSELFTEST_HARNESS_H */

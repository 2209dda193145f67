/* SPDX-License-Identifier: GPL-2.0-only */
/* The oracle of the buddy allocator: does its state make sense? */
#ifndef HUGESPAN_CORE_BUDDY_CHECK_H
#define HUGESPAN_CORE_BUDDY_CHECK_H

#include "buddy.h"

/**
 * buddy_check - walk every invariant, O(nr_units)
 * @unit: set to a unit near which it broke, when something did
 *
 * Return: NULL if all holds, else a sentence that says what does not.
 */
const char *buddy_check(const struct buddy *b, u32 *unit);

#endif /* HUGESPAN_CORE_BUDDY_CHECK_H */

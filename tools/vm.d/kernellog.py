# SPDX-License-Identifier: MIT
"""What in a guest's kernel log fails a run."""

import re

BEGIN = "hugespan-vm: begin"     # init writes these two
END = "hugespan-vm: end"

# One alternative a line; each is something no run of ours may cause.
TROUBLE = re.compile(r"""
    \bWARNING:
  | \bBUG\b
  | Bad\ page
  | bad\ (?:pmd|pud|pgd)
  | \bOops\b
  | \bKASAN\b | \bUBSAN\b | \bKFENCE\b | \bKMSAN\b | \bKCSAN\b
  | possible\ (?:recursive|circular)\ locking | inconsistent\ lock\ state
  | suspicious\ RCU\ usage | \bINFO:\ lockdep | held\ lock\ freed
  | general\ protection | double\ fault | stack\ segment
  | Call\ Trace
  | refcount_t:
  | soft\ lockup | hard\ LOCKUP | hung_task | blocked\ for\ more\ than
  | rcu.*(?:stall|self-detected)
  | Kernel\ panic | Unable\ to\ handle | kernel\ NULL\ pointer
  | scheduling\ while\ atomic | sleeping\ function\ called
  | list_(?:add|del)\ corruption | \bslab\b.*(?:corrupt|overwritten)
  | page\ table\ check
""", re.VERBOSE)


def since_begin(text):
    """The log from init's mark on; all of it where there is no mark."""
    at = text.find(BEGIN)
    return text[at:] if at >= 0 else text


def trouble_lines(text, expected):
    """Lines that fail the run; a line that matches expected is asked for."""
    return [line for line in since_begin(text).splitlines()
            if TROUBLE.search(line)
            and not (expected and re.search(expected, line))]


def contains(text, pattern):
    return any(re.search(pattern, line)
               for line in since_begin(text).splitlines())

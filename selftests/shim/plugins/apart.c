// SPDX-License-Identifier: MIT
/* Installed in a folder of its own, which is on nobody's path but caller.so's. */
int apart(void);

int apart(void)
{
	return 1;
}

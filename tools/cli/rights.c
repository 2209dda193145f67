// SPDX-License-Identifier: MIT
/* Who may change the system. */
#include <stdlib.h>
#include <unistd.h>

#include "alloc.h"
#include "cli.h"
#include "rights.h"
#include "sysroot.h"

int rights_check(const char *deed, const char *words, ...)
{
	char *command;
	va_list ap;

	if (sys_is_fake()) {
		cli_error("HUGESPAN_TEST_SYSROOT is set: nothing is changed");
		return CLI_FAILED;
	}
	if (geteuid() == 0)
		return CLI_OK;
	va_start(ap, words);
	command = xvasprintf(words, ap);
	va_end(ap);
	cli_error("only root may %s", deed);
	cli_fix("sudo %s %s", cli_self(), command);
	free(command);
	return CLI_FAILED;
}

// SPDX-License-Identifier: MIT
/* The library, as a program that is started now would find it. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "alloc.h"
#include "cli.h"
#include "doctor.h"
#include "shim.h"

void doctor_check_library(struct doctor *doctor)
{
	const char *version = doctor->status.version;

	if (doctor->status_error) {
		doctor_find(doctor, DOCTOR_FAIL, "libhugespan does not answer"
			    " this command: %s",
			    strerror(-doctor->status_error));
		doctor_fix(doctor, "sudo make install && sudo ldconfig");
	} else if (strcmp(version, HS_VERSION) != 0) {
		doctor_find(doctor, DOCTOR_WARN, "libhugespan is %s, this"
			    " command %s", version, HS_VERSION);
		doctor_fix(doctor, "sudo make install && sudo ldconfig");
	} else {
		doctor_find(doctor, DOCTOR_OK, "libhugespan %s", version);
	}
}

/* Variables of the project's own tools, which the library does not read. */
static bool is_tool_variable(const char *name)
{
	return strcmp(name, "HUGESPAN_CACHE") == 0 ||
	       strncmp(name, "HUGESPAN_TEST_", 14) == 0;
}

static void check_variable(struct doctor *doctor, const char *name,
			   const char *value)
{
	const struct hs_option_info *infos;
	const char **names;
	char why[256] = "";
	size_t i, nr;
	int nearest;

	infos = hs_options(&nr);
	for (i = 0; i < nr; i++) {
		if (strcmp(infos[i].env, name) != 0)
			continue;
		if (!hs_option_check(name, value, why, sizeof(why)))
			return;
		doctor_find(doctor, DOCTOR_WARN, "%s=%s is not taken: %s", name,
			    value, why);
		doctor_fix(doctor, "unset %s", name);
		return;
	}
	names = xcalloc(nr, sizeof(*names));
	for (i = 0; i < nr; i++)
		names[i] = infos[i].env;
	nearest = cli_nearest(name, names, nr);
	doctor_find(doctor, DOCTOR_WARN, "%s is set, but there is no such"
		    " variable%s%s%s", name, nearest < 0 ? "" :
		    "; was ", nearest < 0 ? "" : names[nearest],
		    nearest < 0 ? "" : " meant?");
	doctor_fix(doctor, "unset %s", name);
	free(names);
}

void doctor_check_environment(struct doctor *doctor)
{
	int before = doctor->nr_findings, nr_set = 0;
	char **variable, *name, *equals;

	for (variable = environ; *variable; variable++) {
		if (strncmp(*variable, "HUGESPAN_", 9) != 0)
			continue;
		name = xstrdup(*variable);
		equals = strchr(name, '=');
		if (equals) {
			*equals = '\0';
			if (!is_tool_variable(name)) {
				nr_set++;
				check_variable(doctor, name, equals + 1);
			}
		}
		free(name);
	}
	if (doctor->nr_findings == before)
		doctor_find(doctor, DOCTOR_OK, "%d HUGESPAN_ variable%s set",
			    nr_set, nr_set == 1 ? "" : "s");
}

void doctor_check_backend(struct doctor *doctor)
{
	const struct hs_status *status = &doctor->status;
	int asked = status->backend_asked;

	if (doctor->status_error)
		return;
	if (asked != HS_BACKEND_AUTO && !status->backends[asked].usable) {
		doctor_find(doctor, DOCTOR_FAIL, "HUGESPAN_BACKEND asks for"
			    " %s, which does not work: %s",
			    hs_backend_name(asked),
			    status->backends[asked].reason);
		doctor_fix(doctor, "unset HUGESPAN_BACKEND");
	} else if (asked != HS_BACKEND_AUTO) {
		doctor_find(doctor, DOCTOR_OK, "%s, as HUGESPAN_BACKEND asks",
			    hs_backend_name(asked));
	} else if (status->backend == HS_BACKEND_PLAIN) {
		doctor_find(doctor, DOCTOR_WARN, "programs get plain small"
			    " pages: neither device nor hugetlb nor"
			    " transparent huge pages work here");
		doctor_fix(doctor, "%s status", cli_self());
	} else {
		doctor_find(doctor, DOCTOR_OK, "programs get %s",
			    hs_backend_name(status->backend));
	}
}

void doctor_check_rseq(struct doctor *doctor)
{
	const struct hs_status *status = &doctor->status;
	const char *tunables = getenv("GLIBC_TUNABLES");
	const char *wanted = getenv("HUGESPAN_RSEQ");

	if (doctor->status_error)
		return;
	if (strcmp(status->cache_mode, "rseq") == 0) {
		doctor_find(doctor, DOCTOR_OK, "caches per CPU, without"
			    " locks");
		return;
	}
	doctor_find(doctor, DOCTOR_WARN, "caches are %s and slower: %s",
		    status->cache_mode, status->cache_reason);
	if (tunables && strstr(tunables, "glibc.pthread.rseq=0"))
		doctor_fix(doctor, "unset GLIBC_TUNABLES");
	else if (wanted && strcmp(wanted, "0") == 0)
		doctor_fix(doctor, "unset HUGESPAN_RSEQ");
	else if (getenv("HUGESPAN_CHECK"))
		doctor_fix(doctor, "unset HUGESPAN_CHECK");
}

void doctor_check_shim(struct doctor *doctor)
{
	char path[PATH_MAX];
	const char *why;

	if (shim_find(path)) {
		doctor_find(doctor, DOCTOR_FAIL, SHIM_NAME " is not beside"
			    " libhugespan.so: 'hugespan run' cannot work");
		doctor_fix(doctor, "make && sudo make install");
		return;
	}
	why = shim_bad_path(path);
	if (why) {
		doctor_find(doctor, DOCTOR_WARN, "%s: %s", path, why);
		doctor_fix(doctor, "cp '%s' /tmp/ && '%s' run --lib"
			   " /tmp/" SHIM_NAME " -- COMMAND", path, cli_self());
		return;
	}
	doctor_find(doctor, DOCTOR_OK, "%s", path);
}

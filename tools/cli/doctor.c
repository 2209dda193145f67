// SPDX-License-Identifier: MIT
/* hugespan doctor: the list of checks, and how findings are printed. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alloc.h"
#include "cli.h"
#include "doctor.h"
#include "text.h"

static const struct {
	const char *topic;
	void (*check)(struct doctor *doctor);
} checks[] = {
	{ "module", doctor_check_module },
	{ "node", doctor_check_node },
	{ "group", doctor_check_group },
	{ "udev", doctor_check_udev },
	{ "pool", doctor_check_pool },
	{ "library", doctor_check_library },
	{ "environment", doctor_check_environment },
	{ "backend", doctor_check_backend },
	{ "rseq", doctor_check_rseq },
	{ "shim", doctor_check_shim },
	{ "limits", doctor_check_limits },
	{ "thp", doctor_check_thp },
	{ "hugetlb", doctor_check_hugetlb },
	{ "cgroup", doctor_check_cgroup },
};

static const struct {
	const char *word;	/* as JSON has it */
	const char *label;
	enum text_style style;
} levels[] = {
	[DOCTOR_OK] = { "ok", "OK", TEXT_GREEN },
	[DOCTOR_NOTE] = { "note", "NOTE", TEXT_BOLD },
	[DOCTOR_WARN] = { "warn", "WARN", TEXT_YELLOW },
	[DOCTOR_FAIL] = { "fail", "FAIL", TEXT_RED },
};

void doctor_find(struct doctor *doctor, enum doctor_level level,
		 const char *format, ...)
{
	struct doctor_finding *finding;
	va_list ap;

	doctor->findings = xrealloc(doctor->findings,
				    (doctor->nr_findings + 1) *
					    sizeof(*doctor->findings));
	finding = &doctor->findings[doctor->nr_findings++];
	*finding = (struct doctor_finding){
		.topic = doctor->topic,
		.level = level,
	};
	va_start(ap, format);
	finding->text = xvasprintf(format, ap);
	va_end(ap);
}

void doctor_fix(struct doctor *doctor, const char *format, ...)
{
	struct doctor_finding *finding;
	va_list ap;

	finding = &doctor->findings[doctor->nr_findings - 1];
	va_start(ap, format);
	finding->fix = xvasprintf(format, ap);
	va_end(ap);
	cli_strip_sudo(finding->fix);
}

enum doctor_level doctor_device_level(const struct doctor *doctor)
{
	return doctor->wants_device ? DOCTOR_FAIL : DOCTOR_WARN;
}

static void examine(struct doctor *doctor)
{
	size_t i;

	*doctor = (struct doctor){
		.status = { .struct_size = sizeof(doctor->status) },
	};
	doctor->status_error = hs_status(&doctor->status);
	doctor->wants_device = !doctor->status_error &&
			       doctor->status.backend_asked ==
				       HS_BACKEND_DEVICE;
	kmodule_read(&doctor->module);
	pool_info_read(&doctor->pool);
	for (i = 0; i < ARRAY_SIZE(checks); i++) {
		doctor->topic = checks[i].topic;
		checks[i].check(doctor);
	}
}

static void count_levels(const struct doctor *doctor,
			 int counts[DOCTOR_NR_LEVELS])
{
	int i;

	memset(counts, 0, DOCTOR_NR_LEVELS * sizeof(*counts));
	for (i = 0; i < doctor->nr_findings; i++)
		counts[doctor->findings[i].level]++;
}

static void print_text(const struct doctor *doctor,
		       const int counts[DOCTOR_NR_LEVELS])
{
	int i;

	for (i = 0; i < doctor->nr_findings; i++) {
		const struct doctor_finding *finding = &doctor->findings[i];

		printf("%s%-4s%s  %-11s  %s\n",
		       text_style(levels[finding->level].style),
		       levels[finding->level].label, text_style(TEXT_PLAIN),
		       finding->topic, finding->text);
		if (finding->fix)
			printf("%19s%sfix: %s%s\n", "", text_style(TEXT_DIM),
			       text_style(TEXT_PLAIN), finding->fix);
	}
	printf("\n%d ok, %d to note, %d to be warned of, %d failed\n",
	       counts[DOCTOR_OK], counts[DOCTOR_NOTE], counts[DOCTOR_WARN],
	       counts[DOCTOR_FAIL]);
}

static void print_json(const struct doctor *doctor,
		       const int counts[DOCTOR_NR_LEVELS])
{
	struct json json;
	int i;

	json_start(&json, stdout, false);
	json_object(&json, NULL);
	json_array(&json, "findings");
	for (i = 0; i < doctor->nr_findings; i++) {
		const struct doctor_finding *finding = &doctor->findings[i];

		json_object(&json, NULL);
		json_string(&json, "check", finding->topic);
		json_string(&json, "level", levels[finding->level].word);
		json_string(&json, "text", finding->text);
		json_string(&json, "fix", finding->fix);
		json_end(&json);
	}
	json_end(&json);
	json_object(&json, "counts");
	for (i = 0; i < DOCTOR_NR_LEVELS; i++)
		json_i64(&json, levels[i].word, counts[i]);
	json_end(&json);
	json_end(&json);
	json_finish(&json);
}

static int run_doctor(int argc, char **argv)
{
	static const struct option options[] = {
		CLI_HELP_OPTION,
		CLI_JSON_OPTION,
		{ }
	};
	int counts[DOCTOR_NR_LEVELS], i;
	bool want_json = false;
	struct doctor doctor;

	while (cli_getopt(argc, argv, "hj", options) != -1)
		want_json = true;
	if (optind < argc)
		return cli_usage("unexpected argument '%s'", argv[optind]);
	examine(&doctor);
	count_levels(&doctor, counts);
	if (want_json)
		print_json(&doctor, counts);
	else
		print_text(&doctor, counts);
	for (i = 0; i < doctor.nr_findings; i++) {
		free(doctor.findings[i].text);
		free(doctor.findings[i].fix);
	}
	free(doctor.findings);
	pool_info_free(&doctor.pool);
	return counts[DOCTOR_FAIL] ? CLI_FAILED : CLI_OK;
}

const struct cli_command cmd_doctor = {
	.name = "doctor",
	.summary = "Look for what is wrong, and say which command mends it",
	.usage = "[--json]",
	.help =
		"Looks at the module, the device node and who may open it, the"
		" pool, the library\n"
		"and its environment, the limits of this shell, and the"
		" kernel's own huge pages.\n"
		"\n"
		"  OK    nothing to say\n"
		"  NOTE  good to know\n"
		"  WARN  it works, but not as well as it could\n"
		"  FAIL  broken, or asked for (HUGESPAN_BACKEND) and not to be"
		" had\n"
		"\n"
		"Options:\n"
		"  -j, --json  print JSON\n"
		"  -h, --help  this text\n"
		"\n"
		"Exit codes: 0 nothing failed; 1 something did; 2 bad usage.\n",
	.run = run_doctor,
};

// SPDX-License-Identifier: MIT
/* Text for people: colour, sizes, tables. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "alloc.h"
#include "text.h"

static bool want_colour(void)
{
	static int wanted = -1;
	const char *term, *no;

	if (wanted >= 0)
		return wanted;
	term = getenv("TERM");
	no = getenv("NO_COLOR");
	wanted = isatty(STDOUT_FILENO) && !(no && *no) &&
		 term && strcmp(term, "dumb") != 0;
	return wanted;
}

const char *text_style(enum text_style style)
{
	static const char *const codes[] = {
		[TEXT_PLAIN] = "\033[0m",
		[TEXT_BOLD] = "\033[1m",
		[TEXT_DIM] = "\033[2m",
		[TEXT_GREEN] = "\033[32m",
		[TEXT_YELLOW] = "\033[33m",
		[TEXT_RED] = "\033[1;31m",
	};

	return want_colour() ? codes[style] : "";
}

const char *text_bytes(char buf[TEXT_BYTES_MAX], uint64_t bytes)
{
	static const char *const units[] = {
		"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"
	};
	uint64_t one = 1;
	int i = 0;

	for (; bytes / one >= 1024; one *= 1024)
		i++;
	if (bytes % one == 0)
		snprintf(buf, TEXT_BYTES_MAX, "%ju %s",
			 (uintmax_t)(bytes / one), units[i]);
	else
		snprintf(buf, TEXT_BYTES_MAX, "%.1f %s",
			 (double)bytes / (double)one, units[i]);
	return buf;
}

int text_parse_bytes(const char *text, uint64_t *out, const char **end)
{
	static const char suffixes[] = "KMGT";
	const char *suffix;
	char *rest;
	uint64_t value;
	int shift = 0;

	if (*text < '0' || *text > '9')
		return -EINVAL;
	errno = 0;
	value = strtoull(text, &rest, 10);
	if (errno)
		return -ERANGE;
	if (*rest) {
		suffix = strchr(suffixes, *rest & ~0x20);
		if (suffix && *suffix) {
			shift = 10 * (int)(suffix - suffixes + 1);
			rest++;
		}
	}
	if (value > UINT64_MAX >> shift)
		return -ERANGE;
	*out = value << shift;
	*end = rest;
	return 0;
}

void text_wrapped(int indent, const char *text)
{
	int column = 0;

	while (*text) {
		int len = strcspn(text, " ");

		if (column && column + 1 + len > 79) {
			putchar('\n');
			column = 0;
		}
		column += printf("%*s%.*s", column ? 1 : indent, "", len,
				 text);
		text += len + (text[len] == ' ');
	}
	putchar('\n');
}

void text_shell_word(const char *word)
{
	static const char plain[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
		"0123456789_-+=./,:@%";

	if (*word && word[strspn(word, plain)] == '\0') {
		fputs(word, stdout);
		return;
	}
	putchar('\'');
	for (; *word; word++) {
		if (*word == '\'')
			fputs("'\\''", stdout);
		else
			putchar(*word);
	}
	putchar('\'');
}

void text_table_begin(struct text_table *table, const char *const *titles,
		      int nr_columns)
{
	*table = (struct text_table){
		.nr_columns = nr_columns,
		.titles = titles,
	};
}

void text_cell(struct text_table *table, const char *format, ...)
{
	va_list ap;

	if (table->nr_cells == table->max_cells) {
		table->max_cells = table->max_cells ? 2 * table->max_cells : 64;
		table->cells = xrealloc(table->cells,
					table->max_cells *
						sizeof(*table->cells));
	}
	va_start(ap, format);
	table->cells[table->nr_cells++] = xvasprintf(format, ap);
	va_end(ap);
}

void text_cell_bytes(struct text_table *table, uint64_t bytes)
{
	char buf[TEXT_BYTES_MAX];

	text_cell(table, "%s", text_bytes(buf, bytes));
}

static bool right_aligned(const struct text_table *table, int column)
{
	return table->titles[column][0] == '>';
}

/* Spaces go between the columns, and none at the end of a line. */
static void print_cell(const struct text_table *table, int column, int width,
		       const char *text)
{
	bool last = column == table->nr_columns - 1;

	if (right_aligned(table, column))
		printf("%*s", width, text);
	else if (last)
		fputs(text, stdout);
	else
		printf("%-*s", width, text);
	fputs(last ? "\n" : "  ", stdout);
}

void text_table_end(struct text_table *table, int indent)
{
	int nr = table->nr_columns, i, *widths = xcalloc(nr, sizeof(*widths));

	for (i = 0; i < nr; i++)
		widths[i] = strlen(table->titles[i]) - right_aligned(table, i);
	for (i = 0; i < table->nr_cells; i++) {
		int len = strlen(table->cells[i]);

		if (len > widths[i % nr])
			widths[i % nr] = len;
	}
	printf("%*s%s", indent, "", text_style(TEXT_BOLD));
	for (i = 0; i < nr; i++)
		print_cell(table, i, widths[i],
			   table->titles[i] + right_aligned(table, i));
	fputs(text_style(TEXT_PLAIN), stdout);
	for (i = 0; i < table->nr_cells; i++) {
		if (i % nr == 0)
			printf("%*s", indent, "");
		print_cell(table, i % nr, widths[i % nr], table->cells[i]);
		free(table->cells[i]);
	}
	free(table->cells);
	free(widths);
}

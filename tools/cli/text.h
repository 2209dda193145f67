/* SPDX-License-Identifier: MIT */
/*
 * Text for people: colour where it is wanted, sizes one can read, and tables
 * whose columns are as wide as what is in them.
 */
#ifndef CLI_TEXT_H
#define CLI_TEXT_H

#include <stdint.h>

enum text_style {
	TEXT_PLAIN,
	TEXT_BOLD,
	TEXT_DIM,
	TEXT_GREEN,
	TEXT_YELLOW,
	TEXT_RED,
};

/*
 * The escape sequence that starts a style on stdout; "" where stdout is no
 * terminal, TERM is dumb, or NO_COLOR is set. TEXT_PLAIN ends the others.
 */
const char *text_style(enum text_style style);

/* Room for what text_bytes() writes. */
#define TEXT_BYTES_MAX 24

/*
 * A number of bytes for a person: "2 MiB", "1.5 GiB", "999 B"; exact where
 * the unit divides it, else rounded to one decimal. Returns buf.
 */
const char *text_bytes(char buf[TEXT_BYTES_MAX], uint64_t bytes);

/*
 * A size as the module and the library take it: digits, then nothing or one
 * of K, M, G, T (1024s; any case). 0 or -EINVAL; -ERANGE when it does not fit.
 * *end is what follows it.
 */
int text_parse_bytes(const char *text, uint64_t *out, const char **end);

/* On stdout, indented, in lines of up to 79 columns. */
void text_wrapped(int indent, const char *text);

/* On stdout, quoted for a shell where it has to be. */
void text_shell_word(const char *word);

/*
 * A table: cells are added row by row, then printed with the widths they
 * need. A title that begins with '>' makes its column right-aligned.
 */
struct text_table {
	int nr_columns;
	const char *const *titles;
	char **cells;
	int nr_cells;
	int max_cells;
};

void text_table_begin(struct text_table *table, const char *const *titles,
		      int nr_columns);
/* The next cell of the row, or the first of the next row. */
void text_cell(struct text_table *table, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
void text_cell_bytes(struct text_table *table, uint64_t bytes);
/* Print with this indentation, and free. */
void text_table_end(struct text_table *table, int indent);

#endif /* CLI_TEXT_H */

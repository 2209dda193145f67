// SPDX-License-Identifier: MIT
/*
 * Draws the map of the pool. Owners are letters in the order in which they are
 * met; when letters run out the rest share '*'.
 */
#include <stdlib.h>
#include <string.h>

#include "alloc.h"
#include "cli.h"
#include "mapdraw.h"
#include "text.h"

#define CELLS_PER_ROW 64
/* A node takes no more rows than that: then a cell is several units. */
#define ROWS_MAX 32

/* Of the picture, in its own units. */
#define SVG_CELL 10
#define SVG_MARGIN 20
#define SVG_TITLE 24

static const char letters[] =
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwyz";

struct owner {
	const struct map_run *run;	/* one of its runs */
	uint64_t nr_units;
	int nr_spans;
};

struct owners {
	int nr;
	struct owner *list;
};

/* The number of a run's owner in the list; -1 when nobody is known. */
static int owner_of(const struct owners *owners, const struct map_run *run)
{
	int i;

	for (i = 0; run->has_holder && i < owners->nr; i++)
		if (owners->list[i].run->owner == run->owner)
			return i;
	return -1;
}

static void find_owners(struct owners *owners, const struct pool_map *map)
{
	int i, j, at;

	*owners = (struct owners){ 0 };
	for (i = 0; i < map->nr_nodes; i++) {
		for (j = 0; j < map->nodes[i].nr_runs; j++) {
			const struct map_run *run = &map->nodes[i].runs[j];

			if (!run->has_holder)
				continue;
			at = owner_of(owners, run);
			if (at < 0) {
				at = owners->nr++;
				owners->list = xrealloc(owners->list,
					owners->nr * sizeof(*owners->list));
				owners->list[at] = (struct owner){ .run = run };
			}
			owners->list[at].nr_units += run->nr_units;
			owners->list[at].nr_spans++;
		}
	}
}

static char letter_of(int owner)
{
	if (owner < 0)
		return '?';
	return owner < (int)sizeof(letters) - 1 ? letters[owner] : '*';
}

static char sign_of(const struct owners *owners, const struct map_run *run)
{
	switch (run->state) {
	case MAP_FREE_ZEROED:
		return '.';
	case MAP_FREE_DIRTY:
		return ',';
	case MAP_QUARANTINED:
		return 'x';
	case MAP_GRANTED:
		return letter_of(owner_of(owners, run));
	default:
		return ' ';
	}
}

static enum text_style style_of(enum map_state state)
{
	switch (state) {
	case MAP_FREE_ZEROED:
		return TEXT_GREEN;
	case MAP_FREE_DIRTY:
		return TEXT_YELLOW;
	case MAP_QUARANTINED:
		return TEXT_RED;
	default:
		return TEXT_BOLD;
	}
}

/* How many units a cell stands for: a power of two. */
static uint64_t scale_of(uint64_t nr_units)
{
	uint64_t scale = 1;

	while (nr_units > scale * CELLS_PER_ROW * ROWS_MAX)
		scale *= 2;
	return scale;
}

/*
 * The run that has most of the cell [start, end); *at is the first run that
 * reaches into it, and moves along.
 */
static const struct map_run *most_of(const struct map_node *node, int *at,
				     uint64_t start, uint64_t end)
{
	const struct map_run *best = &node->runs[*at];
	uint64_t most = 0;
	int i;

	for (i = *at; i < node->nr_runs && node->runs[i].start < end; i++) {
		const struct map_run *run = &node->runs[i];
		uint64_t run_end = run->start + run->nr_units;
		uint64_t from = run->start > start ? run->start : start;
		uint64_t nr = (run_end < end ? run_end : end) - from;

		*at = run_end > end ? i : i + 1 < node->nr_runs ? i + 1 : i;
		if (nr > most) {
			most = nr;
			best = run;
		}
	}
	return best;
}

static void draw_rows(const struct pool_map *map, const struct map_node *node,
		      const struct owners *owners)
{
	uint64_t extent = map_node_extent(node), scale = scale_of(extent);
	uint64_t first = node->nr_runs ? node->runs[0].start : 0, unit;
	const struct map_run *run;
	char bytes[TEXT_BYTES_MAX];
	int at = 0, column = 0;

	printf("node %d: %s", node->node,
	       text_bytes(bytes, extent * map->unit_bytes));
	printf(", a character is %s\n",
	       text_bytes(bytes, scale * map->unit_bytes));
	for (unit = 0; unit < extent; unit += scale) {
		if (column == 0)
			printf("%10s  ", text_bytes(bytes, unit *
						    map->unit_bytes));
		run = most_of(node, &at, first + unit, first + unit + scale);
		printf("%s%c%s", text_style(style_of(run->state)),
		       sign_of(owners, run), text_style(TEXT_PLAIN));
		column = (column + 1) % CELLS_PER_ROW;
		if (column == 0)
			putchar('\n');
	}
	if (column)
		putchar('\n');
}

static void draw_legend(const struct pool_map *map,
			const struct owners *owners)
{
	char bytes[TEXT_BYTES_MAX];
	int i;

	for (i = 0; i < owners->nr; i++) {
		const struct owner *owner = &owners->list[i];

		printf("  %c  %s in %d span%s: process %d (%s), owner %ju\n",
		       letter_of(i),
		       text_bytes(bytes, owner->nr_units * map->unit_bytes),
		       owner->nr_spans, owner->nr_spans == 1 ? "" : "s",
		       owner->run->pid, owner->run->comm,
		       (uintmax_t)owner->run->owner);
	}
	printf("  .  free and zeroed   ,  free   x  quarantined"
	       "   ?  changing hands\n");
}

void map_draw_text(const struct pool_map *map)
{
	struct owners owners;
	int i;

	find_owners(&owners, map);
	for (i = 0; i < map->nr_nodes; i++)
		draw_rows(map, &map->nodes[i], &owners);
	draw_legend(map, &owners);
	free(owners.list);
}

/* ---- SVG ---------------------------------------------------------------- */

/* A colour for each owner: hues far apart for numbers side by side. */
static void svg_fill(FILE *out, const struct owners *owners,
		     const struct map_run *run)
{
	static const char *const fills[MAP_NR_STATES] = {
		[MAP_ABSENT] = "none",
		[MAP_FREE_ZEROED] = "#d8ecd8",
		[MAP_FREE_DIRTY] = "#efe3c0",
		[MAP_GRANTED] = "#808080",
		[MAP_QUARANTINED] = "#c03030",
	};
	int owner = owner_of(owners, run);

	if (owner < 0)
		fputs(fills[run->state], out);
	else
		fprintf(out, "hsl(%d,60%%,55%%)", owner * 137 % 360);
}

static void svg_escaped(FILE *out, const char *text)
{
	for (; *text; text++) {
		if (strchr("<>&\"'", *text))
			fprintf(out, "&#%d;", *text);
		else if ((unsigned char)*text >= ' ' &&
			 (unsigned char)*text < 127)
			fputc(*text, out);
		else
			fputc('?', out);
	}
}

/* The part of a run that lies in one row. */
static void svg_part(FILE *out, const struct owners *owners,
		     const struct map_run *run, uint64_t unit, uint64_t nr,
		     uint64_t top)
{
	fprintf(out, "<rect x=\"%ju\" y=\"%ju\" width=\"%ju\" height=\"%d\""
		" fill=\"",
		(uintmax_t)(SVG_MARGIN + unit % CELLS_PER_ROW * SVG_CELL),
		(uintmax_t)(top + unit / CELLS_PER_ROW * SVG_CELL),
		(uintmax_t)(nr * SVG_CELL), SVG_CELL);
	svg_fill(out, owners, run);
	fprintf(out, "\" stroke=\"white\"><title>%s, units %ju to %ju",
		map_state_names[run->state], (uintmax_t)run->start,
		(uintmax_t)(run->start + run->nr_units - 1));
	if (run->has_holder) {
		fprintf(out, ", owner %ju, process %d ",
			(uintmax_t)run->owner, run->pid);
		svg_escaped(out, run->comm);
	}
	fputs("</title></rect>\n", out);
}

/* Returns where the next node begins. */
static uint64_t svg_node(FILE *out, const struct owners *owners,
			 const struct map_node *node, uint64_t top)
{
	uint64_t extent = map_node_extent(node), unit, left, nr;
	int i;

	fprintf(out, "<text x=\"%d\" y=\"%ju\">node %d</text>\n", SVG_MARGIN,
		(uintmax_t)(top + SVG_TITLE - 8), node->node);
	top += SVG_TITLE;
	for (i = 0; i < node->nr_runs; i++) {
		const struct map_run *run = &node->runs[i];

		unit = run->start - node->runs[0].start;
		if (unit >= extent)
			break;
		for (left = run->nr_units; left; left -= nr, unit += nr) {
			nr = CELLS_PER_ROW - unit % CELLS_PER_ROW;
			if (nr > left)
				nr = left;
			svg_part(out, owners, run, unit, nr, top);
		}
	}
	return top + (extent + CELLS_PER_ROW - 1) / CELLS_PER_ROW * SVG_CELL +
	       SVG_MARGIN;
}

static uint64_t svg_height(const struct pool_map *map)
{
	uint64_t height = SVG_MARGIN;
	int i;

	for (i = 0; i < map->nr_nodes; i++)
		height += SVG_TITLE + SVG_MARGIN + SVG_CELL *
			  ((map_node_extent(&map->nodes[i]) +
			    CELLS_PER_ROW - 1) / CELLS_PER_ROW);
	return height;
}

void map_draw_svg(const struct pool_map *map, FILE *out)
{
	struct owners owners;
	uint64_t top = SVG_MARGIN;
	int i;

	find_owners(&owners, map);
	fprintf(out, "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\""
		" height=\"%ju\" font-family=\"sans-serif\""
		" font-size=\"14\">\n",
		2 * SVG_MARGIN + CELLS_PER_ROW * SVG_CELL,
		(uintmax_t)svg_height(map));
	fputs("<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n", out);
	for (i = 0; i < map->nr_nodes; i++)
		top = svg_node(out, &owners, &map->nodes[i], top);
	fputs("</svg>\n", out);
	free(owners.list);
}

/* SPDX-License-Identifier: MIT */
/* The map of the pool, drawn: for a terminal, and as an SVG picture. */
#ifndef CLI_MAPDRAW_H
#define CLI_MAPDRAW_H

#include <stdio.h>

#include "mapinfo.h"

/* On stdout, a character for one unit or more, and what the characters mean. */
void map_draw_text(const struct pool_map *map);

/* A rectangle for each run, with a word on it for whoever points there. */
void map_draw_svg(const struct pool_map *map, FILE *out);

#endif /* CLI_MAPDRAW_H */

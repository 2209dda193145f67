// SPDX-License-Identifier: MIT
/* JSON as it is written. */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"

/*
 * The length of the UTF-8 sequence at text, or 0 when it is not one: a stray
 * or missing continuation byte, an over-long form, a surrogate, or a value
 * above U+10FFFF.
 */
static int utf8_length(const unsigned char *text)
{
	static const uint32_t smallest[] = { 0, 0, 0x80, 0x800, 0x10000 };
	uint32_t point;
	int i, len;

	if (text[0] < 0x80)
		return 1;
	if (text[0] >= 0xc2 && text[0] <= 0xdf)
		len = 2;
	else if (text[0] >= 0xe0 && text[0] <= 0xef)
		len = 3;
	else if (text[0] >= 0xf0 && text[0] <= 0xf4)
		len = 4;
	else
		return 0;
	point = text[0] & (0xff >> (len + 1));
	for (i = 1; i < len; i++) {
		if ((text[i] & 0xc0) != 0x80)
			return 0;
		point = point << 6 | (text[i] & 0x3f);
	}
	if (point < smallest[len] || point > 0x10ffff ||
	    (point >= 0xd800 && point <= 0xdfff))
		return 0;
	return len;
}

static void put_string(FILE *out, const char *value)
{
	const unsigned char *p = (const unsigned char *)value;
	int len;

	putc('"', out);
	for (; *p; p += len) {
		len = utf8_length(p);
		if (len == 0) {
			fputs("\\ufffd", out);
			len = 1;
		} else if (*p == '"' || *p == '\\') {
			fprintf(out, "\\%c", *p);
		} else if (*p == '\n') {
			fputs("\\n", out);
		} else if (*p == '\t') {
			fputs("\\t", out);
		} else if (*p < 0x20 || *p == 0x7f) {
			fprintf(out, "\\u%04x", *p);
		} else {
			fwrite(p, 1, len, out);
		}
	}
	putc('"', out);
}

static void new_line(struct json *json)
{
	if (json->one_line)
		return;
	fprintf(json->out, "\n%*s", 2 * json->depth, "");
}

/* What comes before a value: the comma, the place, the key. */
static void lead_in(struct json *json, const char *key)
{
	if (json->depth) {
		bool *has_members = &json->has_members[json->depth - 1];

		if (*has_members)
			fputs(json->one_line ? ", " : ",", json->out);
		*has_members = true;
		new_line(json);
	}
	if (key) {
		put_string(json->out, key);
		fputs(": ", json->out);
	}
}

static void open_value(struct json *json, const char *key, char opener,
		       char closer)
{
	lead_in(json, key);
	putc(opener, json->out);
	if (json->depth == JSON_MAX_DEPTH)
		abort();
	json->closer[json->depth] = closer;
	json->has_members[json->depth] = false;
	json->depth++;
}

void json_start(struct json *json, FILE *out, bool one_line)
{
	*json = (struct json){ .out = out, .one_line = one_line };
}

void json_finish(struct json *json)
{
	if (json->depth)
		abort();
	putc('\n', json->out);
	fflush(json->out);
}

void json_object(struct json *json, const char *key)
{
	open_value(json, key, '{', '}');
}

void json_array(struct json *json, const char *key)
{
	open_value(json, key, '[', ']');
}

void json_end(struct json *json)
{
	if (json->depth == 0)
		abort();
	json->depth--;
	if (json->has_members[json->depth])
		new_line(json);
	putc(json->closer[json->depth], json->out);
}

void json_string(struct json *json, const char *key, const char *value)
{
	if (!value) {
		json_null(json, key);
		return;
	}
	lead_in(json, key);
	put_string(json->out, value);
}

void json_u64(struct json *json, const char *key, uint64_t value)
{
	lead_in(json, key);
	fprintf(json->out, "%" PRIu64, value);
}

void json_i64(struct json *json, const char *key, int64_t value)
{
	lead_in(json, key);
	fprintf(json->out, "%" PRId64, value);
}

void json_double(struct json *json, const char *key, double value)
{
	if (!isfinite(value)) {
		json_null(json, key);
		return;
	}
	lead_in(json, key);
	fprintf(json->out, "%.2f", value);
}

void json_bool(struct json *json, const char *key, bool value)
{
	lead_in(json, key);
	fputs(value ? "true" : "false", json->out);
}

void json_null(struct json *json, const char *key)
{
	lead_in(json, key);
	fputs("null", json->out);
}

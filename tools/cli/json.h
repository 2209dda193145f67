/* SPDX-License-Identifier: MIT */
/*
 * JSON, written as it is said: no tree is built, and the command needs no
 * library that a guest or a rescue system would not have.
 *
 * key is NULL inside an array and at the top. Strings may hold any bytes (the
 * name of a process does): what is not UTF-8 becomes U+FFFD, so that the
 * output is always valid.
 */
#ifndef CLI_JSON_H
#define CLI_JSON_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define JSON_MAX_DEPTH 16

struct json {
	FILE *out;
	bool one_line;		/* no indentation: one value, one line */
	int depth;		/* open objects and arrays */
	char closer[JSON_MAX_DEPTH];	/* what ends each of them */
	bool has_members[JSON_MAX_DEPTH];
};

void json_start(struct json *json, FILE *out, bool one_line);
/* Ends the line after the top value, and flushes. */
void json_finish(struct json *json);

void json_object(struct json *json, const char *key);
void json_array(struct json *json, const char *key);
/* The innermost object or array. */
void json_end(struct json *json);

/* value NULL is null. */
void json_string(struct json *json, const char *key, const char *value);
void json_u64(struct json *json, const char *key, uint64_t value);
void json_i64(struct json *json, const char *key, int64_t value);
/* Two decimals; what is no finite number is null. */
void json_double(struct json *json, const char *key, double value);
void json_bool(struct json *json, const char *key, bool value);
void json_null(struct json *json, const char *key);

#endif /* CLI_JSON_H */

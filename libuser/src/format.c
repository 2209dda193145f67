// SPDX-License-Identifier: MIT
/*
 * hs_sys_format (sys.h): the part of printf that the library's messages need,
 * without malloc, locale or floating point.
 */
#include "sys.h"

#include <string.h>

struct out {
	char *buf;
	size_t size;
	size_t len;	/* of the whole text, whether it fits or not */
};

struct spec {
	bool left;
	bool zero;
	size_t width;
	size_t precision;	/* SIZE_MAX: none */
	enum { LEN_INT, LEN_LONG } length;
};

static void put(struct out *o, char c)
{
	if (o->len + 1 < o->size)
		o->buf[o->len] = c;
	o->len++;
}

static void put_fill(struct out *o, char c, size_t count)
{
	while (count--)
		put(o, c);
}

static void put_string(struct out *o, const struct spec *spec, const char *s)
{
	size_t len, fill;

	if (!s)
		s = "(null)";
	len = strnlen(s, spec->precision);
	fill = spec->width > len ? spec->width - len : 0;
	if (!spec->left)
		put_fill(o, ' ', fill);
	for (size_t i = 0; i < len; i++)
		put(o, s[i]);
	if (spec->left)
		put_fill(o, ' ', fill);
}

/* prefix ("-", "0x", "") stands before the zeroes of a zero-filled number. */
static void put_number(struct out *o, const struct spec *spec,
		       const char *prefix, unsigned long value,
		       unsigned int base)
{
	char digits[24];
	size_t len = 0, fill, prefix_len = strlen(prefix);

	do {
		digits[len++] = "0123456789abcdef"[value % base];
		value /= base;
	} while (value);
	fill = spec->width > len + prefix_len ?
	       spec->width - len - prefix_len : 0;
	if (!spec->left && !spec->zero)
		put_fill(o, ' ', fill);
	while (*prefix)
		put(o, *prefix++);
	if (!spec->left && spec->zero)
		put_fill(o, '0', fill);
	while (len)
		put(o, digits[--len]);
	if (spec->left)
		put_fill(o, ' ', fill);
}

/* Wider than any line: a nonsense number must not run for hours. */
#define MAX_WIDTH 4096

static const char *parse_count(const char *fmt, va_list *ap, size_t *count)
{
	*count = 0;
	if (*fmt == '*') {
		int value = va_arg(*ap, int);

		*count = value > 0 ? (size_t)value : 0;
		fmt++;
	}
	for (; *fmt >= '0' && *fmt <= '9'; fmt++)
		if (*count < MAX_WIDTH)
			*count = *count * 10 + (size_t)(*fmt - '0');
	if (*count > MAX_WIDTH)
		*count = MAX_WIDTH;
	return fmt;
}

/* What stands between '%' and the conversion letter. */
static const char *parse_spec(const char *fmt, va_list *ap, struct spec *spec)
{
	*spec = (struct spec) { .precision = SIZE_MAX };
	for (;; fmt++) {
		if (*fmt == '-')
			spec->left = true;
		else if (*fmt == '0')
			spec->zero = true;
		else
			break;
	}
	fmt = parse_count(fmt, ap, &spec->width);
	if (*fmt == '.')
		fmt = parse_count(fmt + 1, ap, &spec->precision);
	for (;; fmt++) {
		if (*fmt == 'l' || *fmt == 'z' || *fmt == 'j')
			spec->length = LEN_LONG;
		else if (*fmt != 'h')
			break;
	}
	return fmt;
}

static void put_signed(struct out *o, const struct spec *spec, long value)
{
	if (value < 0)
		put_number(o, spec, "-", -(unsigned long)value, 10);
	else
		put_number(o, spec, "", (unsigned long)value, 10);
}

int hs_sys_vformat(char *buf, size_t size, const char *fmt, va_list args)
{
	struct out o = { .buf = buf, .size = size };
	struct spec spec;
	unsigned long value;
	char one[2] = "";
	va_list ap;

	va_copy(ap, args);
	for (; *fmt; fmt++) {
		if (*fmt != '%') {
			put(&o, *fmt);
			continue;
		}
		fmt = parse_spec(fmt + 1, &ap, &spec);
		switch (*fmt) {
		case 's':
			put_string(&o, &spec, va_arg(ap, const char *));
			break;
		case 'c':
			one[0] = (char)va_arg(ap, int);
			put_string(&o, &spec, one);
			break;
		case 'd':
		case 'i':
			put_signed(&o, &spec, spec.length == LEN_LONG ?
				   va_arg(ap, long) : (long)va_arg(ap, int));
			break;
		case 'u':
		case 'x':
			value = spec.length == LEN_LONG ?
				va_arg(ap, unsigned long) :
				va_arg(ap, unsigned int);
			put_number(&o, &spec, "", value, *fmt == 'x' ? 16 : 10);
			break;
		case 'p':
			put_number(&o, &spec, "0x",
				   (unsigned long)va_arg(ap, void *), 16);
			break;
		case '\0':
			fmt--;	/* a lone '%' at the end */
			break;
		default:
			put(&o, *fmt);	/* "%%", and what we do not know */
			break;
		}
	}
	va_end(ap);
	if (size)
		buf[o.len < size ? o.len : size - 1] = '\0';
	return (int)o.len;
}

int hs_sys_format(char *buf, size_t size, const char *fmt, ...)
{
	va_list ap;
	int len;

	va_start(ap, fmt);
	len = hs_sys_vformat(buf, size, fmt, ap);
	va_end(ap);
	return len;
}

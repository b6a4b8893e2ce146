// SPDX-License-Identifier: GPL-2.0-or-later
/* Writes JSON to standard output; key is NULL within lists and for the whole. */
#include <inttypes.h>
#include <stdio.h>

#include "json.h"

static bool comma;
static unsigned int depth;

static void quoted(const char *text)
{
	putchar('"');
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		if (c == '"' || c == '\\')
			printf("\\%c", c);
		else if (c < 0x20 || c >= 0x7f)
			printf("\\u%04x", c);
		else
			putchar(c);
	}
	putchar('"');
}

static void begin(const char *key)
{
	if (comma)
		putchar(',');
	if (depth)
		printf("\n%*s", (int)(2 * depth), "");
	comma = true;
	if (key) {
		quoted(key);
		fputs(": ", stdout);
	}
}

void json_open(const char *key, char bracket)
{
	begin(key);
	putchar(bracket);
	depth++;
	comma = false;
}

void json_close(char bracket)
{
	depth--;
	if (comma)
		printf("\n%*s", (int)(2 * depth), "");
	putchar(bracket);
	comma = true;
	if (!depth)
		putchar('\n');
}

void json_string(const char *key, const char *text)
{
	begin(key);
	quoted(text);
}

void json_u64(const char *key, uint64_t n)
{
	begin(key);
	printf("%" PRIu64, n);
}

/* What is not known is null. */
void json_number(const char *key, struct number number)
{
	if (number.known)
		json_u64(key, number.n);
	else
		json_null(key);
}

void json_bool(const char *key, bool value)
{
	begin(key);
	fputs(value ? "true" : "false", stdout);
}

void json_null(const char *key)
{
	begin(key);
	fputs("null", stdout);
}

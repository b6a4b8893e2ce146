/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A bounded text writer: control replies, metrics and state use it. */
#ifndef AUTOBALLOON_TEXTBUF_H
#define AUTOBALLOON_TEXTBUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct textbuf {
	char *data;
	size_t size;		/* bytes in data */
	size_t len;		/* bytes used, without the final NUL */
	bool overflow;		/* something did not fit and was left out */
	bool comma;		/* the next JSON value needs a comma before it */
};

void textbuf_init(struct textbuf *tb, char *data, size_t size);
void textbuf_printf(struct textbuf *tb, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
void textbuf_quoted(struct textbuf *tb, const char *text);

void out_open(struct textbuf *tb, const char *key, char bracket);
void out_close(struct textbuf *tb, char bracket);
void out_string(struct textbuf *tb, const char *key, const char *text);
void out_u64(struct textbuf *tb, const char *key, uint64_t value);
void out_bool(struct textbuf *tb, const char *key, bool value);

int write_file_atomic(const char *path, const struct textbuf *tb);

#endif

// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A bounded text writer with the little JSON the control socket needs.
 *
 * It never allocates and never writes past its buffer. What does not fit is
 * left out and remembered in "overflow", so that a reader gets an error
 * instead of half an answer.
 */
#include "textbuf.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "util.h"

/**
 * textbuf_init - start an empty text
 * @tb: the text
 * @data: its buffer
 * @size: bytes in @data, at least 1
 */
void textbuf_init(struct textbuf *tb, char *data, size_t size)
{
	tb->data = data;
	tb->size = size;
	tb->len = 0;
	tb->overflow = false;
	tb->comma = false;
	data[0] = '\0';
}

/**
 * textbuf_printf - append formatted text, or nothing if it does not fit
 * @tb: the text
 * @fmt: as in printf()
 */
void textbuf_printf(struct textbuf *tb, const char *fmt, ...)
{
	size_t room = tb->size - tb->len;
	va_list args;
	int n;

	va_start(args, fmt);
	n = vsnprintf(tb->data + tb->len, room, fmt, args);
	va_end(args);
	if (n < 0 || (size_t)n >= room) {
		tb->data[tb->len] = '\0';
		tb->overflow = true;
		return;
	}
	tb->len += (size_t)n;
}

static bool put(struct textbuf *tb, char c)
{
	if (tb->size - tb->len < 2)
		return false;
	tb->data[tb->len++] = c;
	tb->data[tb->len] = '\0';
	return true;
}

/**
 * textbuf_quoted - append a text in double quotes with JSON's escapes
 * @tb: the text
 * @text: anything; bytes that are not printable ASCII become "?"
 *
 * Names come from guests and from QEMU's command line, so that nothing in
 * them may reach a log or a terminal unescaped.
 */
void textbuf_quoted(struct textbuf *tb, const char *text)
{
	size_t len = tb->len;
	bool fits = true;

	textbuf_printf(tb, "\"");
	for (; *text && fits; text++) {
		if (*text == '"' || *text == '\\')
			fits = put(tb, '\\') && put(tb, *text);
		else if (*text == '\n')
			fits = put(tb, '\\') && put(tb, 'n');
		else
			fits = put(tb, *text >= ' ' && *text <= '~' ? *text : '?');
	}
	if (fits) {
		textbuf_printf(tb, "\"");
		return;
	}
	/* All of it or nothing. */
	tb->len = len;
	tb->data[len] = '\0';
	tb->overflow = true;
}

static void out_key(struct textbuf *tb, const char *key)
{
	if (tb->comma)
		textbuf_printf(tb, ",");
	tb->comma = true;
	if (key)
		textbuf_printf(tb, "\"%s\":", key);
}

/**
 * out_open - open an object or an array
 * @tb: the text
 * @key: member name, or NULL in an array and at the top
 * @bracket: '{' or '['
 */
void out_open(struct textbuf *tb, const char *key, char bracket)
{
	out_key(tb, key);
	textbuf_printf(tb, "%c", bracket);
	tb->comma = false;
}

/**
 * out_close - close what out_open() opened
 * @tb: the text
 * @bracket: '}' or ']'
 */
void out_close(struct textbuf *tb, char bracket)
{
	textbuf_printf(tb, "%c", bracket);
	tb->comma = true;
}

/**
 * out_string - append a text value
 * @tb: the text
 * @key: member name, or NULL
 * @text: the value
 */
void out_string(struct textbuf *tb, const char *key, const char *text)
{
	out_key(tb, key);
	textbuf_quoted(tb, text);
}

/**
 * out_u64 - append a number; UNSET becomes null
 * @tb: the text
 * @key: member name, or NULL
 * @value: the value
 */
void out_u64(struct textbuf *tb, const char *key, uint64_t value)
{
	out_key(tb, key);
	if (value == UNSET)
		textbuf_printf(tb, "null");
	else
		textbuf_printf(tb, "%" PRIu64, value);
}

/**
 * out_bool - append true or false
 * @tb: the text
 * @key: member name, or NULL
 * @value: the value
 */
void out_bool(struct textbuf *tb, const char *key, bool value)
{
	out_key(tb, key);
	textbuf_printf(tb, value ? "true" : "false");
}

/**
 * write_file_atomic - replace a file in one step
 * @path: the file
 * @tb: its new content
 *
 * Readers see the old content or the new one, never a part. The temporary
 * file stands beside the target under a name that readers of "*.prom" skip.
 *
 * Return: 0, or -errno.
 */
int write_file_atomic(const char *path, const struct textbuf *tb)
{
	char temp[PATH_MAX];
	size_t done = 0;
	ssize_t n;
	int err = 0;
	int fd;

	if (tb->overflow)
		return -EFBIG;
	if ((size_t)snprintf(temp, sizeof(temp), "%s.new", path) >= sizeof(temp))
		return -ENAMETOOLONG;
	fd = open(temp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (fd < 0)
		return -errno;
	while (!err && done < tb->len) {
		n = write(fd, tb->data + done, tb->len - done);
		if (n < 0 && errno != EINTR)
			err = -errno;
		else if (n > 0)
			done += (size_t)n;
	}
	if (close(fd) && !err)
		err = -errno;
	if (!err && rename(temp, path))
		err = -errno;
	if (err)
		unlink(temp);
	return err;
}

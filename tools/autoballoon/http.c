// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * HTTP/1.1 answers.
 *
 * Head and body are bounded, the length must be told beforehand, and a body is JSON
 * that is parsed as it comes. What is anything else ends the session: chunks,
 * upgrades, lengths that contradict each other.
 */
#include "http.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "reply.h"
#include "util.h"

#define HTTP_DEPTH 16
#define PIECE_MAX 4096
#define HTTP "HTTP/1."

/**
 * http_new - make a parser for one session
 *
 * Return: the parser, or NULL without memory.
 */
struct http *http_new(void)
{
	struct http *http = calloc(1, sizeof(*http));

	if (!http)
		return NULL;
	http->tokener = json_tokener_new_ex(HTTP_DEPTH);
	if (!http->tokener) {
		free(http);
		return NULL;
	}
	return http;
}

/**
 * http_free - end with a parser
 * @http: the parser, or NULL
 */
void http_free(struct http *http)
{
	if (!http)
		return;
	json_object_put(http->json);
	json_tokener_free(http->tokener);
	free(http);
}

static int take_header(struct http *http, char *line, bool *has_length)
{
	char *value = strchr(line, ':');
	uint64_t length;

	if (!value)
		return -EPROTO;
	*value++ = '\0';
	value += strspn(value, " \t");
	if (!strcasecmp(line, "Transfer-Encoding") || !strcasecmp(line, "Upgrade"))
		return -EPROTO;
	if (strcasecmp(line, "Content-Length"))
		return 0;
	value[strcspn(value, " \t")] = '\0';
	if (parse_u64(value, 0, UINT32_MAX, &length) || (*has_length && length != http->length))
		return -EPROTO;
	if (length > HTTP_BODY_MAX)
		return -EMSGSIZE;
	http->length = length;
	*has_length = true;
	return 0;
}

/* The head is complete: its lines end with \r\n each, the last of them is empty. */
static int take_head(struct http *http)
{
	char *line = http->head, *end;
	bool has_length = false;
	int err, used = 0;

	http->length = 0;
	http->seen = 0;
	http->text[0] = '\0';
	if (sscanf(line, "HTTP/1.%*1[01] %3u%n", &http->status, &used) != 1 ||
	    http->status < 100 || !strchr(" \r", line[used]))
		return -EPROTO;
	line = strstr(line, "\r\n") + 2;
	while (*line != '\r') {
		end = strstr(line, "\r\n");
		if (!end)
			return -EPROTO;
		*end = '\0';
		err = take_header(http, line, &has_length);
		if (err)
			return err;
		line = end + 2;
	}
	return 0;
}

static int take_json(struct http *http, const char *data, size_t len)
{
	size_t piece;

	while (len) {
		piece = min_u64(len, PIECE_MAX);
		if (http->json) {	/* nothing but blanks may follow */
			for (; len; data++, len--)
				if (!strchr(" \t\r\n", *data) || !*data)
					return -EPROTO;
			return 0;
		}
		if (memchr(data, '\0', piece))
			return -EPROTO;
		if (!json_memory(piece, http->seen))
			return -ENOMEM;
		http->json = json_tokener_parse_ex(http->tokener, data, (int)piece);
		if (http->json) {
			piece = json_tokener_get_parse_end(http->tokener);
			if (!json_object_is_type(http->json, json_type_object))
				return -EPROTO;
		} else if (json_tokener_get_error(http->tokener) != json_tokener_continue) {
			return -EPROTO;
		}
		data += piece;
		len -= piece;
	}
	return 0;
}

static int take_body(struct http *http, const char *data, size_t len)
{
	size_t room;
	int err = 0;

	if (http->status < 300) {
		err = take_json(http, data, len);
	} else if (http->seen < sizeof(http->text) - 1) {
		room = min_u64(sizeof(http->text) - 1 - http->seen, len);
		memcpy(http->text + http->seen, data, room);
		http->text[http->seen + room] = '\0';
	}
	http->seen += len;
	return err;
}

static int finish(struct http *http, http_answer_fn fn, void *arg)
{
	int err = 0;

	if (http->status < 300 && http->length && !http->json)
		return -EPROTO;
	/* 100 and its like precede the answer. */
	if (http->status >= 200)
		err = fn(arg, http);
	json_object_put(http->json);
	http->json = NULL;
	json_tokener_reset(http->tokener);
	http->in_body = false;
	http->head_len = 0;
	return err;
}

static bool is_complete(const struct http *http)
{
	return http->head_len >= 4 && !memcmp(http->head + http->head_len - 4, "\r\n\r\n", 4);
}

/**
 * http_feed - parse a piece of input
 * @http: the parser
 * @data: the bytes
 * @len: how many
 * @fn: called for each complete answer
 * @arg: passed to @fn
 *
 * Return: 0, -EMSGSIZE (head or body too long), -EPROTO, -ENOMEM, or what @fn
 * returned. The session is of no use after an error.
 */
int http_feed(struct http *http, const char *data, size_t len, http_answer_fn fn, void *arg)
{
	size_t piece;
	int err = 0;

	while (len && !err) {
		if (!http->in_body) {
			if (http->head_len == sizeof(http->head) - 1)
				return -EMSGSIZE;
			if (!*data)
				return -EPROTO;
			http->head[http->head_len++] = *data++;
			http->head[http->head_len] = '\0';
			len--;
			if (http->head_len == sizeof(HTTP) - 1 && strcmp(http->head, HTTP))
				return -EPROTO;
			if (!is_complete(http))
				continue;
			err = take_head(http);
			http->in_body = true;
		} else {
			piece = min_u64(len, http->length - http->seen);
			err = take_body(http, data, piece);
			data += piece;
			len -= piece;
		}
		if (!err && http->seen == http->length)
			err = finish(http, fn, arg);
	}
	return err;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* HTTP/1.1 answers as they come in, bounded; as much of it as REST APIs of VMMs need. */
#ifndef AUTOBALLOON_HTTP_H
#define AUTOBALLOON_HTTP_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HTTP_HEAD_MAX 2048
#define HTTP_BODY_MAX (128 * 1024)	/* vm.info of Cloud Hypervisor has some 50 KiB */

struct http {
	struct json_tokener *tokener;
	char head[HTTP_HEAD_MAX];
	size_t head_len;
	bool in_body;
	unsigned int status;
	size_t length;			/* of the body */
	size_t seen;			/* of it */
	struct json_object *json;	/* the body, if it is complete and no error */
	char text[120];			/* the body's start, if it is an error */
};

/* Called for each answer. Returns 0, or -errno to end the session. */
typedef int (*http_answer_fn)(void *data, const struct http *answer);

struct http *http_new(void);
void http_free(struct http *http);
int http_feed(struct http *http, const char *data, size_t len, http_answer_fn fn, void *arg);

#endif

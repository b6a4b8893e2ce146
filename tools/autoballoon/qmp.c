// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * JSON messages one after the other, as QMP has them.
 *
 * The other end is a QEMU that a guest may have taken over: messages are parsed
 * as they come, a message may not be longer than QMP_MESSAGE_MAX nor deeper than
 * QMP_DEPTH, and whatever is not JSON ends the session.
 */
#include "qmp.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "reply.h"
#include "util.h"

#define QMP_DEPTH 16
#define PIECE_MAX 4096		/* so that the heap, grown at the start, is enough */

/**
 * qmp_new - make a parser for one session
 *
 * Return: the parser, or NULL without memory.
 */
struct qmp *qmp_new(void)
{
	struct qmp *qmp = calloc(1, sizeof(*qmp));

	if (!qmp)
		return NULL;
	qmp->tokener = json_tokener_new_ex(QMP_DEPTH);
	if (!qmp->tokener) {
		free(qmp);
		return NULL;
	}
	return qmp;
}

/**
 * qmp_free - end with a parser
 * @qmp: the parser, or NULL
 */
void qmp_free(struct qmp *qmp)
{
	if (qmp)
		json_tokener_free(qmp->tokener);
	free(qmp);
}

/**
 * qmp_feed - parse a piece of input
 * @qmp: the parser
 * @data: the bytes
 * @len: how many
 * @fn: called for each complete message
 * @arg: passed to @fn
 *
 * Return: 0, -EMSGSIZE (message too long), -EPROTO (not JSON, or too deep),
 * -ENOMEM, or what @fn returned. The session is of no use after an error.
 */
int qmp_feed(struct qmp *qmp, const char *data, size_t len, qmp_message_fn fn, void *arg)
{
	struct json_object *message;
	size_t used, piece, safe = 0;
	int err;

	while (len) {
		if (!qmp->pending && strchr(" \t\r\n", *data) && *data) {
			data++;
			len--;
			continue;
		}
		/* Never hand over more than the message may still have. */
		piece = min_u64(min_u64(len, PIECE_MAX), QMP_MESSAGE_MAX - qmp->pending);
		/* The tokener takes a NUL for the end of its input. */
		if (memchr(data, '\0', piece))
			return -EPROTO;
		/* Once for many messages: what one takes is free again before the next. */
		if (!safe && !json_memory(piece, qmp->pending))
			return -ENOMEM;
		piece = safe ? min_u64(piece, safe) : piece;
		safe = max_u64(safe, piece);
		message = json_tokener_parse_ex(qmp->tokener, data, (int)piece);
		if (!message) {
			if (json_tokener_get_error(qmp->tokener) != json_tokener_continue)
				return -EPROTO;
			qmp->pending += piece;
			if (qmp->pending >= QMP_MESSAGE_MAX)
				return -EMSGSIZE;
			data += piece;
			len -= piece;
			safe -= piece;
			continue;
		}
		used = json_tokener_get_parse_end(qmp->tokener);
		qmp->pending = 0;
		if (!used || used > len || !json_object_is_type(message, json_type_object)) {
			json_object_put(message);
			return -EPROTO;
		}
		err = fn(arg, message);
		json_object_put(message);
		if (err)
			return err;
		data += used;
		len -= used;
		safe = sub_floor(safe, used);
	}
	return 0;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* JSON messages one after the other, as QMP has them. */
#ifndef AUTOBALLOON_QMP_H
#define AUTOBALLOON_QMP_H

#include <json-c/json.h>
#include <stddef.h>

/* No reply the daemon asks for comes near this; more is an attack or a fault. */
#define QMP_MESSAGE_MAX (64 * 1024)

struct qmp {
	struct json_tokener *tokener;
	size_t pending;			/* bytes of the message that is not complete */
};

/* Called for each message. Returns 0, or -errno to end the session. */
typedef int (*qmp_message_fn)(void *data, struct json_object *message);

struct qmp *qmp_new(void);
void qmp_free(struct qmp *qmp);
int qmp_feed(struct qmp *qmp, const char *data, size_t len, qmp_message_fn fn, void *arg);

#endif

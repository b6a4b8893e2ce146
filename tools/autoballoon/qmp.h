/* SPDX-License-Identifier: GPL-2.0-or-later */
/* QMP over a unix socket: framing, limits, and typed access to replies. */
#ifndef AUTOBALLOON_QMP_H
#define AUTOBALLOON_QMP_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* No reply the daemon asks for comes near this; more is an attack or a fault. */
#define QMP_MESSAGE_MAX (64 * 1024)

struct qmp {
	int fd;				/* -1: closed */
	struct json_tokener *tokener;
	size_t pending;			/* bytes of the message that is not complete */
	char out[1024];			/* what the socket did not take yet */
	size_t out_len;
	uint64_t received;		/* bytes, ever */
};

/* Called for each message. Returns 0, or -errno to end the session. */
typedef int (*qmp_message_fn)(void *data, struct json_object *message);

void qmp_init(struct qmp *qmp);
int qmp_open(struct qmp *qmp, const char *path, bool follow);
int qmp_adopt(struct qmp *qmp, int fd);
void qmp_close(struct qmp *qmp);
pid_t qmp_peer_pid(const struct qmp *qmp);
int qmp_feed(struct qmp *qmp, const char *data, size_t len, qmp_message_fn fn, void *arg);
int qmp_receive(struct qmp *qmp, qmp_message_fn fn, void *arg);
int qmp_send(struct qmp *qmp, const char *data, size_t len);
int qmp_flush(struct qmp *qmp);

bool json_memory(size_t len, size_t before);

/* Typed access: false, and the value untouched, if it is not what it should be. */
struct json_object *qmp_object(struct json_object *from, const char *key);
struct json_object *qmp_array(struct json_object *from, const char *key);
const char *qmp_string(struct json_object *from, const char *key);
bool qmp_u64(struct json_object *from, const char *key, uint64_t *value);
bool qmp_bool(struct json_object *from, const char *key, bool *value);
bool qmp_has_word(struct json_object *array, const char *prefix);

#endif

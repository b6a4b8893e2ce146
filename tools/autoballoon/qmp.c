// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * QMP over a unix socket.
 *
 * The other end is a QEMU that a guest may have taken over, so nothing here
 * depends on its good will: messages are parsed as they come, a message may
 * not be longer than QMP_MESSAGE_MAX nor deeper than QMP_DEPTH, and whatever
 * is not JSON ends the session. Nothing blocks.
 */
#include "qmp.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "util.h"

#define QMP_DEPTH 16

/*
 * What json-c makes of a text, at worst: "[[[]]]," and the like are some 190
 * bytes of objects for each byte, and tables that grow are copied.
 */
#define OBJECT_BYTES 256
#define GROWTH_BYTES 32
#define PIECE_MAX 4096		/* so that the heap, grown at the start, will do */

/**
 * json_memory - whether there is memory to parse a text
 * @len: bytes of text
 * @before: bytes of the same text that were parsed before
 *
 * json-c does not survive an allocation that fails, so it must not come to that:
 * what can be had in one piece can be had in many, for nothing else runs between.
 *
 * Return: true if it is safe to go on.
 */
bool json_memory(size_t len, size_t before)
{
	void *volatile memory = malloc(len * OBJECT_BYTES + before * GROWTH_BYTES);
	bool enough = memory != NULL;

	free(memory);
	return enough;
}

/**
 * qmp_init - make an empty, closed session
 * @qmp: the session
 */
void qmp_init(struct qmp *qmp)
{
	memset(qmp, 0, sizeof(*qmp));
	qmp->fd = -1;
}

/**
 * qmp_adopt - start a session on a socket that is connected already
 * @qmp: a closed session
 * @fd: the socket, non-blocking; closed with the session
 *
 * Return: 0, or -ENOMEM (@fd is then still the caller's).
 */
int qmp_adopt(struct qmp *qmp, int fd)
{
	qmp->tokener = json_tokener_new_ex(QMP_DEPTH);
	if (!qmp->tokener)
		return -ENOMEM;
	qmp->fd = fd;
	qmp->pending = 0;
	qmp->out_len = 0;
	return 0;
}

/*
 * An address holds 107 characters; what is longer is named by a descriptor. So
 * is what must not be a link: it cannot become one between looking and connecting.
 */
static int connect_to(int fd, const char *path, bool follow)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int place, err = 0;

	if (!follow || !copy_string(addr.sun_path, sizeof(addr.sun_path), path)) {
		place = open(path, O_PATH | O_CLOEXEC | (follow ? 0 : O_NOFOLLOW));
		if (place < 0)
			return -errno;
		snprintf(addr.sun_path, sizeof(addr.sun_path), "/proc/self/fd/%d", place);
	} else {
		place = -1;
	}
	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)))
		err = -errno;
	if (place >= 0)
		close(place);
	return err;
}

/**
 * qmp_open - connect to QEMU's socket
 * @qmp: a closed session
 * @path: the socket's path
 * @follow: whether it may be a link
 *
 * QEMU serves one client per socket: a second one is connected but gets no
 * greeting until the first has gone.
 *
 * Return: 0, or -errno.
 */
int qmp_open(struct qmp *qmp, const char *path, bool follow)
{
	int fd, err;

	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	err = connect_to(fd, path, follow);
	if (!err)
		err = qmp_adopt(qmp, fd);
	if (err)
		close(fd);
	return err;
}

/**
 * qmp_close - end a session
 * @qmp: the session; may be closed already
 */
void qmp_close(struct qmp *qmp)
{
	if (qmp->fd >= 0)
		close(qmp->fd);
	if (qmp->tokener)
		json_tokener_free(qmp->tokener);
	qmp->tokener = NULL;
	qmp->fd = -1;
	qmp->pending = 0;
	qmp->out_len = 0;
}

/**
 * qmp_peer_pid - process that made the socket
 * @qmp: an open session
 *
 * It is QEMU unless a manager such as libvirt opened the socket for it.
 *
 * Return: a process id, or 0 if it is not known.
 */
pid_t qmp_peer_pid(const struct qmp *qmp)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);

	if (getsockopt(qmp->fd, SOL_SOCKET, SO_PEERCRED, &cred, &len))
		return 0;
	return cred.pid > 0 ? cred.pid : 0;
}

/**
 * qmp_feed - parse a piece of input
 * @qmp: an open session
 * @data: the bytes
 * @len: how many
 * @fn: called for each complete message; may close the session, if it then
 *      returns an error
 * @arg: passed to @fn
 *
 * Return: 0, -EMSGSIZE (message too long), -EPROTO (not JSON, or too deep),
 * -ENOMEM, or what @fn returned. The session is of no use after an error.
 */
int qmp_feed(struct qmp *qmp, const char *data, size_t len, qmp_message_fn fn, void *arg)
{
	struct json_object *message;
	size_t used, piece;
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
		if (!json_memory(piece, qmp->pending))
			return -ENOMEM;
		message = json_tokener_parse_ex(qmp->tokener, data, (int)piece);
		if (!message) {
			if (json_tokener_get_error(qmp->tokener) != json_tokener_continue)
				return -EPROTO;
			qmp->pending += piece;
			if (qmp->pending >= QMP_MESSAGE_MAX)
				return -EMSGSIZE;
			data += piece;
			len -= piece;
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
	}
	return 0;
}

/**
 * qmp_receive - read and parse what has come in, a bounded piece of it
 * @qmp: an open session
 * @fn: as for qmp_feed()
 * @arg: as for qmp_feed()
 *
 * Return: 0, -EPIPE if the other end closed, or an error of qmp_feed().
 */
int qmp_receive(struct qmp *qmp, qmp_message_fn fn, void *arg)
{
	char buf[16 * 1024];
	ssize_t n;

	n = recv(qmp->fd, buf, sizeof(buf), MSG_DONTWAIT);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	if (!n)
		return -EPIPE;
	qmp->received += (uint64_t)n;
	return qmp_feed(qmp, buf, (size_t)n, fn, arg);
}

/**
 * qmp_flush - write what the socket did not take before
 * @qmp: an open session
 *
 * Return: 0 (out_len says what is left), or -errno.
 */
int qmp_flush(struct qmp *qmp)
{
	ssize_t n;

	if (!qmp->out_len)
		return 0;
	n = send(qmp->fd, qmp->out, qmp->out_len, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	qmp->out_len -= (size_t)n;
	memmove(qmp->out, qmp->out + n, qmp->out_len);
	return 0;
}

/**
 * qmp_send - send a command
 * @qmp: an open session
 * @data: the command's text
 * @len: its length
 *
 * Return: 0, -ENOBUFS if too much waits already, or -errno.
 */
int qmp_send(struct qmp *qmp, const char *data, size_t len)
{
	if (len > sizeof(qmp->out) - qmp->out_len)
		return -ENOBUFS;
	memcpy(qmp->out + qmp->out_len, data, len);
	qmp->out_len += len;
	return qmp_flush(qmp);
}

static struct json_object *get(struct json_object *from, const char *key, json_type type)
{
	struct json_object *value;

	if (!json_object_is_type(from, json_type_object) ||
	    !json_object_object_get_ex(from, key, &value) ||
	    !json_object_is_type(value, type))
		return NULL;
	return value;
}

/**
 * qmp_object - a member that is an object
 * @from: where to look; anything, even NULL
 * @key: the member's name
 *
 * Return: the object, owned by @from, or NULL.
 */
struct json_object *qmp_object(struct json_object *from, const char *key)
{
	return get(from, key, json_type_object);
}

/**
 * qmp_array - a member that is an array
 * @from: where to look; anything, even NULL
 * @key: the member's name
 *
 * Return: the array, owned by @from, or NULL.
 */
struct json_object *qmp_array(struct json_object *from, const char *key)
{
	return get(from, key, json_type_array);
}

/**
 * qmp_string - a member that is a string
 * @from: where to look; anything, even NULL
 * @key: the member's name
 *
 * Return: the text, owned by @from, or NULL.
 */
const char *qmp_string(struct json_object *from, const char *key)
{
	struct json_object *value = get(from, key, json_type_string);

	return value ? json_object_get_string(value) : NULL;
}

/**
 * qmp_u64 - a member that is a number not below zero
 * @from: where to look; anything, even NULL
 * @key: the member's name
 * @value: where it goes; 2^64 - 1 comes through unharmed
 *
 * Return: whether there is one.
 */
bool qmp_u64(struct json_object *from, const char *key, uint64_t *value)
{
	struct json_object *number = get(from, key, json_type_int);

	if (!number || json_object_get_int64(number) < 0)
		return false;
	*value = json_object_get_uint64(number);
	return true;
}

/**
 * qmp_bool - a member that is true or false
 * @from: where to look; anything, even NULL
 * @key: the member's name
 * @value: where it goes
 *
 * Return: whether there is one.
 */
bool qmp_bool(struct json_object *from, const char *key, bool *value)
{
	struct json_object *boolean = get(from, key, json_type_boolean);

	if (!boolean)
		return false;
	*value = json_object_get_boolean(boolean);
	return true;
}

/**
 * qmp_has_word - look for a string that begins with a word
 * @array: an array of strings, or anything, even NULL
 * @prefix: the word; QEMU writes "NAME: explanation"
 *
 * Return: whether there is one.
 */
bool qmp_has_word(struct json_object *array, const char *prefix)
{
	size_t i, n, len = strlen(prefix);

	if (!json_object_is_type(array, json_type_array))
		return false;
	n = json_object_array_length(array);
	for (i = 0; i < n; i++) {
		struct json_object *item = json_object_array_get_idx(array, i);
		const char *text;

		if (!json_object_is_type(item, json_type_string))
			continue;
		text = json_object_get_string(item);
		if (!strncmp(text, prefix, len) && (!text[len] || text[len] == ':'))
			return true;
	}
	return false;
}

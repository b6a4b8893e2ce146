// SPDX-License-Identifier: GPL-2.0-or-later
/* Asking the daemon: one request, one reply, over its control socket. */
#include "client.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "util.h"

#define REPLY_SECONDS 10

static char error[256];

static int open_socket(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	struct timeval limit = { REPLY_SECONDS, 0 };
	int fd;

	if (!copy_string(addr.sun_path, sizeof(addr.sun_path), path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr))) {
		close(fd);
		return -1;
	}
	return fd;
}

static struct json_object *read_reply(int fd)
{
	struct json_tokener *tokener = json_tokener_new();
	struct json_object *reply = NULL;
	char buf[16 * 1024];
	ssize_t n;

	while (tokener && !reply) {
		n = recv(fd, buf, sizeof(buf), 0);
		if (n <= 0) {
			snprintf(error, sizeof(error), "%s", n ? strerror(errno) :
				 "the daemon closed the connection: not allowed?");
			break;
		}
		reply = json_tokener_parse_ex(tokener, buf, (int)n);
		if (!reply && json_tokener_get_error(tokener) != json_tokener_continue) {
			snprintf(error, sizeof(error), "the reply is not JSON");
			break;
		}
	}
	if (tokener)
		json_tokener_free(tokener);
	return reply;
}

/**
 * client_ask - send a request and wait for the reply
 * @socket_path: the daemon's control socket
 * @request: the request; consumed
 *
 * Return: the reply, to be put; or NULL, and client_error() says why.
 */
struct json_object *client_ask(const char *socket_path, struct json_object *request)
{
	const char *text = json_object_to_json_string_ext(request, JSON_C_TO_STRING_PLAIN);
	struct json_object *reply = NULL;
	char line[4096];
	int fd, n;

	n = snprintf(line, sizeof(line), "%s\n", text);
	json_object_put(request);
	if (n < 0 || (size_t)n >= sizeof(line)) {
		snprintf(error, sizeof(error), "the request is too long");
		return NULL;
	}
	fd = open_socket(socket_path);
	if (fd < 0) {
		snprintf(error, sizeof(error), "%.150s: %s (is autoballoond running?)",
			 socket_path, strerror(errno));
		return NULL;
	}
	if (send(fd, line, (size_t)n, MSG_NOSIGNAL) != n)
		snprintf(error, sizeof(error), "%s", strerror(errno));
	else
		reply = read_reply(fd);
	close(fd);
	return reply;
}

/**
 * client_error - why client_ask() failed
 *
 * Return: a text.
 */
const char *client_error(void)
{
	return error;
}

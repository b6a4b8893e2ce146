// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Messages to the service manager: the sd_notify(3) protocol, one datagram to
 * the socket that NOTIFY_SOCKET names. Without one, nothing happens.
 */
#include "notify.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "util.h"

/**
 * notify - send a message such as "READY=1" or "WATCHDOG=1"
 * @message: assignments, one a line
 */
void notify(const char *message)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	const char *path = getenv("NOTIFY_SOCKET");
	socklen_t len;
	int fd;

	if (!path || (*path != '/' && *path != '@') ||
	    !copy_string(addr.sun_path, sizeof(addr.sun_path), path))
		return;
	len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path));
	if (*path == '@')
		addr.sun_path[0] = '\0';
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	sendto(fd, message, strlen(message), MSG_NOSIGNAL | MSG_DONTWAIT,
	       (struct sockaddr *)&addr, len);
	close(fd);
}

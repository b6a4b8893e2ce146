// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A connection to a unix socket.
 *
 * The other end may be in a guest's hands, so nothing here depends on its good
 * will: nothing blocks, and what waits to be sent is bounded.
 */
#include "link.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "util.h"

/**
 * link_init - make a closed connection
 * @link: the connection
 */
void link_init(struct link *link)
{
	memset(link, 0, sizeof(*link));
	link->fd = -1;
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
 * link_open - connect
 * @link: a closed connection
 * @path: the socket's path
 * @follow: whether it may be a link
 *
 * Return: 0, or -errno.
 */
int link_open(struct link *link, const char *path, bool follow)
{
	int fd, err;

	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	err = connect_to(fd, path, follow);
	if (err) {
		close(fd);
		return err;
	}
	link->fd = fd;
	link->out_len = 0;
	return 0;
}

/**
 * link_close - end a connection
 * @link: the connection; may be closed already
 */
void link_close(struct link *link)
{
	if (link->fd >= 0)
		close(link->fd);
	link->fd = -1;
	link->out_len = 0;
}

/**
 * link_peer_pid - process that made the socket
 * @link: an open connection
 *
 * It is the guest's hypervisor unless a manager opened the socket for it.
 *
 * Return: a process id, or 0 if it is not known.
 */
pid_t link_peer_pid(const struct link *link)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);

	if (getsockopt(link->fd, SOL_SOCKET, SO_PEERCRED, &cred, &len))
		return 0;
	return cred.pid > 0 ? cred.pid : 0;
}

/**
 * link_receive - read what has come in, a bounded piece of it
 * @link: an open connection
 * @buf: where it goes
 * @size: bytes in @buf
 *
 * Return: bytes, 0 if there is nothing, -EPIPE if the other end closed, or -errno.
 */
ssize_t link_receive(struct link *link, char *buf, size_t size)
{
	ssize_t n = recv(link->fd, buf, size, MSG_DONTWAIT);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	if (!n)
		return -EPIPE;
	link->received += (uint64_t)n;
	return n;
}

/**
 * link_flush - write what the socket did not take before
 * @link: an open connection
 *
 * Return: 0 (out_len says what is left), or -errno.
 */
int link_flush(struct link *link)
{
	ssize_t n;

	if (!link->out_len)
		return 0;
	n = send(link->fd, link->out, link->out_len, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	link->out_len -= (size_t)n;
	memmove(link->out, link->out + n, link->out_len);
	return 0;
}

/**
 * link_send - send a message
 * @link: an open connection
 * @data: its text
 * @len: its length
 *
 * Return: 0, -ENOBUFS if too much waits already, or -errno.
 */
int link_send(struct link *link, const char *data, size_t len)
{
	if (len > sizeof(link->out) - link->out_len)
		return -ENOBUFS;
	memcpy(link->out + link->out_len, data, len);
	link->out_len += len;
	return link_flush(link);
}

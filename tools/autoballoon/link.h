/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A connection to a unix socket that never blocks, with a bounded buffer. */
#ifndef AUTOBALLOON_LINK_H
#define AUTOBALLOON_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct link {
	int fd;				/* -1: closed */
	char out[1024];			/* what the socket did not take yet */
	size_t out_len;
	uint64_t received;		/* bytes, ever */
};

void link_init(struct link *link);
int link_open(struct link *link, const char *path, bool follow);
void link_close(struct link *link);
pid_t link_peer_pid(const struct link *link);
ssize_t link_receive(struct link *link, char *buf, size_t size);
int link_send(struct link *link, const char *data, size_t len);
int link_flush(struct link *link);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Runs a program in a guest, by QEMU's guest agent. */
#ifndef AUTOBALLOON_CTL_AGENT_H
#define AUTOBALLOON_CTL_AGENT_H

#include <stdbool.h>
#include <stdint.h>

/* Where the agent is: its socket, or a domain of libvirt's, which has that itself. */
struct agent {
	const char *socket;
	const char *domain;
	int fd;
};

/* What became of the program; the texts are the caller's to free. */
struct agent_result {
	int status;
	char *out;
	char *err;
};

int agent_open(struct agent *agent);
int agent_run(struct agent *agent, const char *const *argv, uint64_t timeout_ms,
	      struct agent_result *result);
void agent_close(struct agent *agent);
const char *agent_error(void);

#endif

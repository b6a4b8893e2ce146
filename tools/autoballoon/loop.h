/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The event loop: file descriptors and who wants to know about them. */
#ifndef AUTOBALLOON_LOOP_H
#define AUTOBALLOON_LOOP_H

#include <stdbool.h>
#include <stdint.h>

struct source {
	int fd;				/* -1: not in the loop */
	uint32_t events;
	void (*ready)(struct source *source, uint32_t events);
	void *data;
};

int loop_open(void);
void loop_close(void);
int loop_add(struct source *source, int fd, uint32_t events);
int loop_change(struct source *source, uint32_t events);
void loop_remove(struct source *source);
int loop_run_once(int timeout_ms);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What outlives the daemon: targets and the administrator's word. */
#ifndef AUTOBALLOON_STATE_H
#define AUTOBALLOON_STATE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "guest.h"

struct saved_guest {
	char name[GUEST_NAME_MAX];
	char uuid[40];
	pid_t pid;
	uint64_t pid_start;
	uint64_t target;	/* bytes, 0: none */
	uint64_t hold_max;
	bool enabled;
	bool manual;
};

int state_load(const char *dir);
const struct saved_guest *state_find(const char *name, const char *uuid);
int state_save(const char *dir);

/* For tests: one line of the file. */
bool state_parse(const char *line, struct saved_guest *saved);

#endif

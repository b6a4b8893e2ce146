/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What outlives the daemon and its guests: targets and the administrator's word. */
#ifndef AUTOBALLOON_STATE_H
#define AUTOBALLOON_STATE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "guest.h"
#include "word.h"

/* Guests that are there, and as many that were. */
#define STATE_MAX (2 * POLICY_MAX_GUESTS)

struct saved_guest {
	char name[GUEST_NAME_MAX];	/* empty: the entry is free */
	char uuid[40];
	struct word word;
	pid_t pid;			/* the QEMU that the sizes are about */
	uint64_t pid_start;
	uint64_t target;		/* bytes, 0: none */
	uint64_t full;			/* size without what the daemon took, 0: unknown */
	bool present;			/* a slot uses it */
	uint64_t left;			/* when its guest left, by order, 0: at the start */
};

/* What was said about all guests. */
struct saved_host {
	bool suspended;			/* automatic work is off */
};

int state_load(const char *run_dir, const char *keep_dir, struct saved_host *host);
int state_save(const char *dir, const struct saved_host *host);
int state_keep(const char *dir, const struct saved_host *host);
struct saved_guest *state_claim(const char *name, const char *uuid);
void state_leave(struct saved_guest *saved);
struct saved_guest *state_find_absent(const char *name);
const struct saved_guest *state_next_absent(const struct saved_guest *before);

/* For tests: one line of the file. */
bool state_parse(char *line, struct saved_guest *saved);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Commands and replies in QMP's form, for the transports that have it. Nobody
 * else includes this.
 */
#ifndef AUTOBALLOON_TALK_H
#define AUTOBALLOON_TALK_H

#include "guest.h"
#include "qmp.h"

struct talk_command {
	const char *name;
	void (*done)(struct guest *guest, struct json_object *ret, uint64_t time_ms);
	void (*failed)(struct guest *guest);
};

int talk_ask(struct guest *guest, const struct talk_command *table, unsigned int command,
	     const char *arguments, uint64_t time_ms);
void talk_reply(struct guest *guest, const struct talk_command *table,
		struct json_object *message, uint64_t time_ms);
void talk_set_stats(struct guest *guest, struct json_object *ret, uint64_t time_ms);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The administrator's word about one guest: what was said at run time, as
 * opposed to what the configuration says. It outlives daemon and guest.
 */
#ifndef AUTOBALLOON_WORD_H
#define AUTOBALLOON_WORD_H

#include <stdbool.h>
#include <stdint.h>

#include "config.h"
#include "textbuf.h"

enum word_automatic { WORD_AS_CONFIGURED, WORD_ENABLED, WORD_DISABLED };

struct word {
	enum word_automatic automatic;
	uint64_t set;		/* the size it should have, 0: left to the daemon */
	uint64_t hold;		/* it may not grow above this, 0: none */
	uint64_t min;		/* instead of the configured one, 0: as configured */
	uint64_t max;
};

bool word_is_empty(const struct word *word);
bool word_enabled(const struct word *word, const struct guest_rule *rule);
uint64_t word_min(const struct word *word, const struct guest_rule *rule, uint64_t ram);
uint64_t word_max(const struct word *word, const struct guest_rule *rule, uint64_t ram);
void word_write(const struct word *word, struct textbuf *tb);
int word_parse(struct word *word, const char *key, const char *value);

#endif

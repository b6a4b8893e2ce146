/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Host pressure as a level, with hysteresis, and the amounts that go with it. */
#ifndef AUTOBALLOON_LEVELS_H
#define AUTOBALLOON_LEVELS_H

#include <stdbool.h>
#include <stdint.h>

enum level { LEVEL_NONE, LEVEL_LOW, LEVEL_MEDIUM, LEVEL_CRITICAL, NR_LEVELS };

/* Fixed amounts per pressure event and guest, as the original design had them. */
struct level_preset {
	const char *name;
	uint64_t amount[NR_LEVELS];	/* bytes to take from each guest, 0: none */
};

/* The level in force. It rises at once and falls one step for each quiet span. */
struct level_state {
	enum level now;
	uint64_t since_ms;		/* when "now" was entered */
	uint64_t event_ms[NR_LEVELS];	/* last event of at least this level */
};

extern const struct level_preset level_presets[];
extern const unsigned int nr_level_presets;

const struct level_preset *level_preset_find(const char *name);
const char *level_name(enum level level);
int level_parse(const char *text, enum level *level);
bool level_event(struct level_state *state, enum level level, uint64_t time_ms);
bool level_tick(struct level_state *state, uint64_t time_ms, uint64_t quiet_ms);

#endif

// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Host pressure as a level. Pure: time and events come in as arguments.
 *
 * Hysteresis is in time: any event raises the level at once; a level is left
 * only after a quiet span without an event of that level or above, and then
 * for the next lower one, which needs a quiet span of its own.
 */
#include "levels.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#include "util.h"

const struct level_preset level_presets[] = {
	/* The first sketch: "some value (say 10MB)", whatever the level. */
	{ "wiki-2012", { 0, 10 * MIB, 10 * MIB, 10 * MIB } },
	{ "wiki-medium-16", { 0, 0, 16 * MIB, 0 } },
	{ "wiki-medium-32", { 0, 0, 32 * MIB, 0 } },
	{ "wiki-2013-06", { 0, 1 * MIB, 16 * MIB, 128 * MIB } },
	{ "wiki-2013-10", { 0, 1 * MIB, 2 * MIB, 4 * MIB } },
};

const unsigned int nr_level_presets = ARRAY_SIZE(level_presets);

static const char *const level_names[NR_LEVELS] = { "none", "low", "medium", "critical" };

/**
 * level_preset_find - look a preset up
 * @name: its name
 *
 * Return: the preset, or NULL.
 */
const struct level_preset *level_preset_find(const char *name)
{
	unsigned int i;

	for (i = 0; i < nr_level_presets; i++)
		if (!strcmp(name, level_presets[i].name))
			return &level_presets[i];
	return NULL;
}

/**
 * level_name - name of a level
 * @level: the level
 *
 * Return: its name in lower case.
 */
const char *level_name(enum level level)
{
	return level_names[level];
}

/**
 * level_parse - read a level's name, in any case
 * @text: the name
 * @level: where the level goes
 *
 * Return: 0, or -EINVAL.
 */
int level_parse(const char *text, enum level *level)
{
	int i;

	for (i = 0; i < NR_LEVELS; i++) {
		if (!strcasecmp(text, level_names[i])) {
			*level = (enum level)i;
			return 0;
		}
	}
	return -EINVAL;
}

/**
 * level_event - note one sign of pressure
 * @state: the level in force
 * @level: what the sign says, at least LEVEL_LOW
 * @time_ms: when
 *
 * Return: whether the level rose.
 */
bool level_event(struct level_state *state, enum level level, uint64_t time_ms)
{
	int i;

	for (i = LEVEL_LOW; i <= (int)level; i++)
		state->event_ms[i] = time_ms;
	if (level <= state->now)
		return false;
	state->now = level;
	state->since_ms = time_ms;
	return true;
}

/**
 * level_tick - leave the level if it has been quiet for long enough
 * @state: the level in force
 * @time_ms: the time now
 * @quiet_ms: span without events after which a level is left
 *
 * Return: whether the level fell (by one).
 */
bool level_tick(struct level_state *state, uint64_t time_ms, uint64_t quiet_ms)
{
	uint64_t last;

	if (state->now == LEVEL_NONE)
		return false;
	last = max_u64(state->event_ms[state->now], state->since_ms);
	if (sub_floor(time_ms, last) < quiet_ms)
		return false;
	state->now = (enum level)(state->now - 1);
	state->since_ms = time_ms;
	return true;
}

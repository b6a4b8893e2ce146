/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Scenarios in the model, who manages them, and how that went. */
#ifndef AUTOBALLOON_ARENA_H
#define AUTOBALLOON_ARENA_H

#include <stdio.h>

#include "config.h"
#include "model.h"

#define ARENA_LAG_MAX 7

struct arena_options {
	bool reporting;			/* all guests have free page reporting */
	double growth;			/* of page cache, MiB a second and guest */
	double inflate;			/* how fast balloons grow, 0: 300 MiB a second */
	unsigned int lag;		/* age of statistics, seconds, at most ARENA_LAG_MAX */
	FILE *trace;			/* a line every ten seconds, or NULL */
	FILE *log;			/* the daemon's own actions, or NULL */
};

struct arena_score {
	unsigned int seconds;
	unsigned int below;		/* seconds with less than nothing available */
	double depth;			/* GiB times seconds below nothing */
	double reread;			/* GiB of page cache that guests read again */
	unsigned int swings;		/* most within five minutes, see arena.c */
	double taken;			/* GiB, mean */
	unsigned int takes;		/* targets below the size, of the daemon's policy */
	unsigned int changes;		/* targets, of any policy */
	unsigned int pulls;
	unsigned int kills;
};

const char *arena_scenario_name(unsigned int scenario);
const char *arena_scenario_text(unsigned int scenario);
const char *arena_policy_name(unsigned int policy);
int arena_find(const char *scenario, const char *policy, unsigned int *s, unsigned int *p);
void arena_run(const struct config *config, unsigned int scenario, unsigned int policy,
	       const struct arena_options *options, struct arena_score *score);
const struct model *arena_model(void);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What happens to the model's host and guests. */
#ifndef AUTOBALLOON_SCENARIOS_H
#define AUTOBALLOON_SCENARIOS_H

#include "model.h"

struct scenario {
	const char *name;
	const char *text;
	unsigned int seconds;		/* 0: as long as the recording */
	bool own_growth;		/* of page cache, whatever the options say */
	void (*setup)(struct model *model);
	void (*play)(struct model *model, unsigned int t);
};

extern const struct scenario scenarios[];
extern const unsigned int nr_scenarios;

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A host and its guests as a model: what a policy does comes back as pressure. */
#ifndef AUTOBALLOON_MODEL_H
#define AUTOBALLOON_MODEL_H

#include <stdbool.h>

#include "policy.h"

/* One guest. Sizes are MiB, speeds MiB a second. */
struct model_guest {
	/* what it is */
	double ram;
	bool reporting;			/* free memory goes back to the host by itself */
	bool yields;			/* takes memory back when programs need it */
	unsigned int band, shares;
	double growth;			/* how fast cold page cache comes */
	/* what it wants */
	double programs_wanted;
	double cold_max;		/* where cold page cache ends */
	double hot_wanted;		/* page cache that is read all the time */
	/* what it has */
	double kernel;
	double programs;
	double cold, hot;
	double actual, target;		/* the balloon's size, and what the host asked for */
	double charged;			/* memory the host has given it */
	/* what it says; a liar says something else */
	bool lies;			/* as if it had nothing left */
	double faults;			/* major faults, ever */
	double kills;			/* processes killed for want of memory, ever */
	/* what was done to it */
	double reread;			/* page cache read again, MiB, ever */
	unsigned int pulls;		/* took memory back itself, ever */
	unsigned int changes;		/* targets set, ever */
};

struct model {
	unsigned int seconds;		/* that have passed */
	double memory;			/* of the host */
	double own_use;			/* of it that is no guest's */
	double container_stall;		/* share of time a limited container stalls */
	double inflate;			/* how fast balloons grow */
	unsigned int nr;
	struct model_guest guests[POLICY_MAX_GUESTS];
};

void model_add(struct model *model, double ram);
void model_second(struct model *model);
double model_available(const struct model *model);
double model_stall(const struct model *model);
double model_in_use(const struct model_guest *guest);
double model_unused(const struct model_guest *guest);
void model_set_target(struct model_guest *guest, double target);

#endif

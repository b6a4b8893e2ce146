/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What other managers would do with the model's guests. */
#ifndef AUTOBALLOON_RIVALS_H
#define AUTOBALLOON_RIVALS_H

#include "model.h"

struct rival {
	const char *name;
	void (*decide)(struct model *model);	/* called each second */
};

extern const struct rival rivals[];
extern const unsigned int nr_rivals;

#endif

/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Emptying one unit.
 */
#ifndef _MM_PAGE_REPORTING_EVACUATE_UNIT_H
#define _MM_PAGE_REPORTING_EVACUATE_UNIT_H

#include <linux/types.h>

#include "state.h"

struct evacuate_targets;
struct zone;

unsigned int fpr_unit_empty(unsigned long pfn, struct zone *zone,
			    struct evacuate_targets *targets, enum fpr_left *left,
			    bool *begun);

#endif /* _MM_PAGE_REPORTING_EVACUATE_UNIT_H */

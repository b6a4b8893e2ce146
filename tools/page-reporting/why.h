/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Why memory that is free is not the host's.  Pure: a snapshot in, reasons out. */
#ifndef PAGE_REPORTING_WHY_H
#define PAGE_REPORTING_WHY_H

#include "snapshot.h"

#define MAX_REASONS 16
#define REASON_TEXT 240

struct reason {
	const char *code;		/* short, for programs */
	bool all;			/* nothing at all is reported */
	struct number bytes;		/* how much it is about */
	char text[REASON_TEXT];		/* a sentence for people */
};

struct reasons {
	unsigned int nr;
	struct reason reason[MAX_REASONS];
};

void why_not(const struct snapshot *shot, struct reasons *reasons);
bool zone_is_tight(const struct zone *zone, uint64_t granule);

#endif

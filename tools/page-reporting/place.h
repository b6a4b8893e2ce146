/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What guest this is, as far as it decides whether it may report. */
#ifndef PAGE_REPORTING_PLACE_H
#define PAGE_REPORTING_PLACE_H

#include <stdbool.h>

struct place {
	char release[64];	/* of the kernel */
	bool page_poison;	/* asked for on the command line */
	bool init_on_free;
	bool confidential;	/* SEV or TDX */
	bool crash_kernel;
};

void place_read(struct place *place);

#endif

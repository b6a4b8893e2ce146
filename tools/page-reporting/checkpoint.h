/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Makes file systems let go of memory that their journals hold. */
#ifndef PAGE_REPORTING_CHECKPOINT_H
#define PAGE_REPORTING_CHECKPOINT_H

#include <stdbool.h>

/* How many file systems, and of how many the checkpoint was made. */
struct checkpoint {
	unsigned int tried;
	unsigned int made;
};

void checkpoint_all(struct checkpoint *checkpoint);

#endif

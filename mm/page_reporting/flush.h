/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Flush: report everything that is free, now, and say when the host has it.
 */
#ifndef _MM_PAGE_REPORTING_FLUSH_H
#define _MM_PAGE_REPORTING_FLUSH_H

#include <linux/bits.h>

/* Make free memory whole first. */
#define FPR_FLUSH_EVACUATE	BIT(0)
/* Report also what the host has been told of before. */
#define FPR_FLUSH_RESYNC	BIT(1)
#define FPR_FLUSH_ALL		(FPR_FLUSH_EVACUATE | FPR_FLUSH_RESYNC)

int fpr_flush(unsigned int timeout_ms, unsigned int flags);
void fpr_flush_stop(void);

#endif /* _MM_PAGE_REPORTING_FLUSH_H */

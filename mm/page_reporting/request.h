/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Request: how much memory one request to the host holds.
 *
 * Pure: no locks.  Sizes are pages, times are nanoseconds.
 */
#ifndef _MM_PAGE_REPORTING_REQUEST_H
#define _MM_PAGE_REPORTING_REQUEST_H

#include <linux/mm.h>
#include <linux/sizes.h>
#include <linux/time64.h>
#include <linux/types.h>

/* How long the host is to work on one request: half of what it may take, for it varies. */
#define REQUEST_AIM_NS		(2500 * NSEC_PER_USEC)
/* The highest limit of the first request of a pass. */
#define REQUEST_FIRST		(SZ_16M >> PAGE_SHIFT)
/* The least and the highest limit. */
#define REQUEST_MIN		(SZ_8M >> PAGE_SHIFT)
#define REQUEST_MAX		(SZ_2G >> PAGE_SHIFT)
/* One request changes the limit at most by these factors. */
#define REQUEST_GROWTH		8
#define REQUEST_SHRINK		4

unsigned long fpr_request_limit(unsigned long limit, unsigned long nr, u64 ns);

#endif /* _MM_PAGE_REPORTING_REQUEST_H */

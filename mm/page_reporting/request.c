// SPDX-License-Identifier: GPL-2.0
/*
 * Request: how much memory one request to the host holds.
 *
 * QEMU discards a whole request in its main loop.  Meanwhile it serves no disk, no
 * monitor, and no virtual CPU that needs its lock.  What a request costs depends on what
 * backs the guest: pages of 4 KiB cost many times as much as huge pages.  So the time
 * that the last request took decides how large the next one is.
 */
#include <linux/math64.h>
#include <linux/minmax.h>

#include "request.h"

/**
 * fpr_request_limit() - how large the next request may be
 * @limit: the limit of the request that the host has just answered, in pages
 * @nr: what that request held, in pages
 * @ns: how long the host took for it, in nanoseconds
 *
 * Every request costs something whatever it holds, so one that was much smaller than the
 * limit and quick says nothing about larger ones.
 *
 * Context: Any.
 * Return: Pages, from REQUEST_MIN to REQUEST_MAX.
 */
unsigned long fpr_request_limit(unsigned long limit, unsigned long nr, u64 ns)
{
	u64 fits = div64_u64((u64)nr * REQUEST_AIM_NS, max_t(u64, ns, 1));

	if (ns <= REQUEST_AIM_NS && nr < limit / 2)
		return limit;
	/* The host may have been slow for once, or quick. */
	fits = clamp_t(u64, fits, limit / REQUEST_SHRINK, (u64)limit * REQUEST_GROWTH);
	return clamp_t(u64, fits, REQUEST_MIN, REQUEST_MAX);
}

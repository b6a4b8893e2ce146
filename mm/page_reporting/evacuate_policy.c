// SPDX-License-Identifier: GPL-2.0
/*
 * Which units to empty, when, and at what pace.
 *
 * To make a unit whole costs moving what is in it, wherever that goes.  So the
 * emptiest units are emptied into the fullest ones, and each
 * page moves once.  A unit that cannot be emptied is filled before all others, but
 * one of the kernel's own only when no other has room: it needs some itself.
 */
#include <linux/math64.h>
#include <linux/minmax.h>
#include <linux/sort.h>
#include <linux/string.h>
#include <linux/time64.h>

#include "evacuate_policy.h"

static int by_free(const void *a, const void *b, const void *units)
{
	const struct evacuate_unit *u = units;
	const struct evacuate_unit *ua = &u[*(const u16 *)a], *ub = &u[*(const u16 *)b];

	if (ua->kernel != ub->kernel)
		return ub->kernel - ua->kernel;
	if (ua->source != ub->source)
		return ub->source - ua->source;
	/* Of equal units the higher address is emptied, because low memory is scarcer. */
	return ub->free - ua->free ?: *(const u16 *)b - *(const u16 *)a;
}

/**
 * fpr_evacuate_plan_make() - decide what moves where
 * @plan: the answer
 * @units: what a look has shown
 * @nr: how many units that are, at most EVACUATE_WINDOW
 * @unit_pages: pages of a unit
 *
 * A unit is emptied only if that moves fewer pages than it makes whole, with
 * an eighth to spare, and only into the holes of units that stay.
 *
 * Context: Any.
 */
void fpr_evacuate_plan_make(struct evacuate_plan *plan,
			    const struct evacuate_unit *units, unsigned int nr,
			    unsigned int unit_pages)
{
	unsigned int i, left, right = 0, room = 0, nr_kernel = 0;
	u16 *order = plan->sorted;

	plan->nr_sources = 0;
	plan->nr_targets = 0;
	plan->nr_pages = 0;

	for (i = 0; i < nr; i++) {
		if (!units[i].free || units[i].free >= unit_pages ||
		    (!units[i].source && !units[i].target))
			continue;
		order[right++] = i;
		nr_kernel += units[i].kernel;
	}
	/* The kernel's come first; the others between @left and @right are undecided. */
	sort_r(order, right, sizeof(order[0]), by_free, NULL, units);

	for (left = nr_kernel; left < right; left++) {
		const struct evacuate_unit *unit = &units[order[left]];
		unsigned int used = unit_pages - unit->free;

		if (!unit->source || unit->free < unit_pages / 8)
			break;
		while (room < used && (right > left + 1 || nr_kernel)) {
			u16 target = right > left + 1 ? order[--right] : order[--nr_kernel];

			if (!units[target].target)
				continue;
			room += units[target].free;
			plan->target[plan->nr_targets++] = target;
		}
		if (room < used)
			break;
		room -= used;
		plan->nr_pages += used;
		plan->source[plan->nr_sources++] = order[left];
	}
}

/**
 * fpr_evacuate_look() - remember a unit, and say whether it is quiet
 * @seen: what is remembered of it; zeroes at first
 * @free: its free pages now
 * @now: jiffies
 *
 * A unit that has not changed for hours may seem to have changed; it waits once more.
 *
 * Context: Any.
 * Return: true if all looks for EVACUATE_QUIET saw the same, or for twice as
 * long after each failure.
 */
bool fpr_evacuate_look(struct evacuate_seen *seen, u16 free, unsigned long now)
{
	u16 tick = now / EVACUATE_TICK;

	if (seen->free != free) {
		seen->free = free;
		seen->since = tick;
	}
	return (u16)(tick - seen->since) >= (EVACUATE_QUIET / EVACUATE_TICK) << seen->failures;
}

/**
 * fpr_evacuate_failed() - a unit could not be emptied
 * @seen: what is remembered of it
 * @now: jiffies
 *
 * Context: Any.
 */
void fpr_evacuate_failed(struct evacuate_seen *seen, unsigned long now)
{
	seen->since = now / EVACUATE_TICK;
	seen->failures = min(seen->failures + 1, EVACUATE_BACKOFF_MAX);
}

/**
 * fpr_evacuate_fits() - are there holes for all that is to be moved?
 * @have: how many holes there are of each order
 * @need: how many folios there are of each order
 *
 * The largest are placed first, each into the smallest hole that takes it; what
 * is left of the hole serves the smaller ones.
 *
 * Context: Any.
 * Return: true if so.
 */
bool fpr_evacuate_fits(const unsigned int *have, const unsigned int *need)
{
	unsigned int left[NR_PAGE_ORDERS];
	int order, o;

	memcpy(left, have, sizeof(left));
	for (order = NR_PAGE_ORDERS - 1; order >= 0; order--) {
		unsigned int n = need[order];

		while (n) {
			unsigned int take;

			for (o = order; o < NR_PAGE_ORDERS && !left[o]; o++)
				;
			if (o == NR_PAGE_ORDERS)
				return false;
			if (o > order) {
				/* Halve it: two of the next smaller order. */
				left[o]--;
				left[o - 1] += 2;
				continue;
			}
			take = min(n, left[o]);
			left[o] -= take;
			n -= take;
		}
	}
	return true;
}

/**
 * fpr_evacuate_share() - how much of one CPU may be used
 * @idle_us: idle time of all CPUs together, in microseconds
 * @wall_us: time that passed, in microseconds
 *
 * Context: Any.
 * Return: Percent.
 */
unsigned int fpr_evacuate_share(u64 idle_us, u64 wall_us)
{
	return wall_us && idle_us >= wall_us / 2 ? EVACUATE_SHARE_IDLE : EVACUATE_SHARE_BUSY;
}

/**
 * fpr_evacuate_pause() - how long to rest after some work
 * @spent_us: CPU time that it took, in microseconds
 * @share: percent of one CPU that may be used
 * @looked_pages: page frames that were looked at
 *
 * Context: Any.
 * Return: Jiffies, at least 1.
 */
unsigned long fpr_evacuate_pause(u64 spent_us, unsigned int share,
				 unsigned long looked_pages)
{
	u64 rest_us = div_u64(spent_us * (100 - share), share);
	u64 look_us = div_u64((u64)looked_pages * USEC_PER_SEC, EVACUATE_LOOK_PAGES);

	return div_u64(max(rest_us, look_us) * HZ, USEC_PER_SEC) + 1;
}

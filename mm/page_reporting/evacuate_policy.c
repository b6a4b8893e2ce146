// SPDX-License-Identifier: GPL-2.0
/*
 * Which units to empty, when, and at what pace.
 *
 * To make a unit whole costs moving what is in it, wherever that goes.  So the
 * emptiest units are emptied into the fullest ones, and each
 * page moves once.  A unit that cannot be emptied is filled before all others, but
 * one of the kernel's own only when no other has room: it needs some itself.  What it
 * does not need takes what is in full units.
 */
#include <linux/math64.h>
#include <linux/minmax.h>
#include <linux/sort.h>
#include <linux/string.h>
#include <linux/time64.h>

#include "evacuate_policy.h"

/* In a plan the kernel's come first, then full ones, then all others. */
static int rank(const struct evacuate_unit *unit)
{
	return unit->kernel ? 0 : !unit->free ? 1 : 2;
}

static int by_free(const void *a, const void *b, const void *units)
{
	const struct evacuate_unit *u = units;
	const struct evacuate_unit *ua = &u[*(const u16 *)a], *ub = &u[*(const u16 *)b];

	if (rank(ua) != rank(ub))
		return rank(ua) - rank(ub);
	if (ua->source != ub->source)
		return ub->source - ua->source;
	/* Of equal units the higher address is emptied, because low memory is scarcer. */
	return ub->free - ua->free ?: *(const u16 *)b - *(const u16 *)a;
}

/* While a plan is made. */
struct making {
	struct evacuate_plan *plan;
	const struct evacuate_unit *units;
	unsigned int unit_pages;
	unsigned int room;	/* holes of targets for which nothing is planned yet */
	unsigned int kernel;	/* units of the kernel's that are no targets yet */
	unsigned int kernel_room;	/* and their holes */
};

static void add_target(struct making *m, u16 target)
{
	const struct evacuate_unit *unit = &m->units[target];

	if (!unit->target)
		return;
	m->plan->target[m->plan->nr_targets++] = target;
	m->room += unit->free;
	if (unit->kernel)
		m->kernel_room -= unit->free;
}

/* False if there is no room for what is in it. */
static bool add_source(struct making *m, u16 source)
{
	unsigned int used = m->unit_pages - m->units[source].free;

	if (m->room < used)
		return false;
	m->room -= used;
	m->plan->nr_pages += used;
	m->plan->source[m->plan->nr_sources++] = source;
	return true;
}

/* Into the holes that the kernel's units still have, and no others. */
static void add_full_sources(struct making *m, unsigned int from, unsigned int to)
{
	const u16 *order = m->plan->sorted;

	for (m->room = 0; from < to && m->units[order[from]].source; from++) {
		unsigned int used = m->unit_pages - m->units[order[from]].free;

		if (m->room + m->kernel_room < used)
			break;
		while (m->room < used)
			add_target(m, order[--m->kernel]);
		add_source(m, order[from]);
	}
}

/**
 * fpr_evacuate_plan_make() - decide what moves where
 * @plan: the answer
 * @units: what a look has shown
 * @nr: how many units that are, at most EVACUATE_WINDOW
 * @unit_pages: pages of a unit
 *
 * A unit is emptied only into the holes of units that stay, and only if that moves
 * fewer pages than it makes whole, with an eighth to spare.  The holes among the kernel's
 * own pages are lost unless something is moved there, so those that are left in the end
 * take what is in full units, too, page for page.
 *
 * Context: Any.
 */
void fpr_evacuate_plan_make(struct evacuate_plan *plan,
			    const struct evacuate_unit *units, unsigned int nr,
			    unsigned int unit_pages)
{
	struct making m = { .plan = plan, .units = units, .unit_pages = unit_pages };
	unsigned int i, left, right = 0, kernel = 0, full = 0;
	u16 *order = plan->sorted;

	plan->nr_sources = 0;
	plan->nr_targets = 0;
	plan->nr_pages = 0;

	for (i = 0; i < nr; i++) {
		if (units[i].free >= unit_pages ||
		    (!units[i].source && (!units[i].target || !units[i].free)))
			continue;
		order[right++] = i;
		kernel += rank(&units[i]) == 0;
		if (units[i].kernel && units[i].target)
			m.kernel_room += units[i].free;
		full += rank(&units[i]) == 1;
	}
	sort_r(order, right, sizeof(order[0]), by_free, NULL, units);

	m.kernel = kernel;
	/* The others between @left and @right are undecided. */
	for (left = kernel + full; left < right; left++) {
		const struct evacuate_unit *unit = &units[order[left]];

		if (!unit->source || unit->free < unit_pages / 8)
			break;
		while (m.room < unit_pages - unit->free && (right > left + 1 || m.kernel))
			add_target(&m, right > left + 1 ? order[--right] : order[--m.kernel]);
		if (!add_source(&m, order[left]))
			break;
	}
	add_full_sources(&m, left, right);
	add_full_sources(&m, kernel, kernel + full);
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

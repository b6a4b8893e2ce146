// SPDX-License-Identifier: GPL-2.0
/*
 * Which units to empty, and whether now is the time.
 *
 * Every unit that becomes whole costs the moving of what is in it, wherever
 * that goes; so the emptiest are emptied and the fullest are filled, and each
 * page moves once.
 */
#include <linux/jiffies.h>
#include <linux/math64.h>
#include <linux/minmax.h>
#include <linux/sort.h>

#include "evacuate_policy.h"

static int by_free(const void *a, const void *b, const void *units)
{
	const struct evacuate_unit *u = units;
	int fa = u[*(const u16 *)a].free, fb = u[*(const u16 *)b].free;

	/* Of equals the higher address is emptied: low memory is the scarcer. */
	return fb - fa ?: *(const u16 *)b - *(const u16 *)a;
}

/**
 * evacuate_plan_make - decide what moves where
 * @plan: the answer
 * @units: what a look has shown
 * @nr: how many units that are, at most EVACUATE_WINDOW
 * @unit_pages: pages of a unit
 * @budget: pages that may move; what does not fit waits for another time
 *
 * A unit is emptied only if that moves fewer pages than it makes whole, with
 * an eighth to spare, and only into the holes of units that stay.
 */
void evacuate_plan_make(struct evacuate_plan *plan,
			const struct evacuate_unit *units, unsigned int nr,
			unsigned int unit_pages, unsigned int budget)
{
	unsigned int i, n = 0, left, right, room = 0;
	u16 order[EVACUATE_WINDOW];

	plan->nr_sources = 0;
	plan->nr_targets = 0;
	plan->nr_pages = 0;

	for (i = 0; i < nr; i++)
		if (units[i].free != EVACUATE_LEAVE && units[i].free &&
		    units[i].free < unit_pages)
			order[n++] = i;
	sort_r(order, n, sizeof(order[0]), by_free, NULL, units);

	right = n;
	for (left = 0; left < right; left++) {
		const struct evacuate_unit *unit = &units[order[left]];
		unsigned int used = unit_pages - unit->free;

		if (unit->free < unit_pages / 8)
			break;
		if (!unit->quiet)
			continue;
		if (plan->nr_pages + used > budget)
			break;
		while (room < used && right > left + 1) {
			u16 target = order[--right];

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
 * evacuate_look - remember a unit, and say whether it is quiet
 * @seen: what is remembered of it; zeroes at first
 * @free: its free pages now
 * @now: jiffies
 *
 * What has not changed for hours may seem to have, and waits once more.
 *
 * Return: true if all looks for EVACUATE_QUIET saw the same.
 */
bool evacuate_look(struct evacuate_seen *seen, u16 free, unsigned long now)
{
	u16 tick = now / EVACUATE_TICK;

	if (seen->free != free)
		*seen = (struct evacuate_seen){ free, tick };
	return (u16)(tick - seen->since) >= EVACUATE_QUIET / EVACUATE_TICK;
}

/**
 * evacuate_forget - do not try this unit again soon
 * @seen: what is remembered of it
 */
void evacuate_forget(struct evacuate_seen *seen)
{
	seen->free = EVACUATE_LEAVE;
}

/**
 * evacuate_idle - does the guest have nothing better to do?
 * @idle_us: idle time of all CPUs together, in microseconds
 * @wall_us: time that passed, in microseconds
 * @nr_cpus: how many CPUs
 *
 * Return: true if they were idle for nine tenths of the time.
 */
bool evacuate_idle(u64 idle_us, u64 wall_us, unsigned int nr_cpus)
{
	return wall_us && idle_us >= div_u64(wall_us * nr_cpus * 9, 10);
}

/**
 * evacuate_next_look - when to look around again after a look in vain
 * @last: how long the last wait was
 * @active: memory has been allocated or freed meanwhile
 *
 * Return: Jiffies.
 */
unsigned long evacuate_next_look(unsigned long last, bool active)
{
	if (active)
		return EVACUATE_LOOK_MIN;
	return clamp(2 * last, (unsigned long)EVACUATE_LOOK_MIN,
		     (unsigned long)EVACUATE_LOOK_MAX);
}

// SPDX-License-Identifier: GPL-2.0
/*
 * Heat: how much of what becomes free will soon be needed again.
 *
 * Whether free memory was cold enough to be reported is known only afterwards:
 * when as much of it is allocated again soon, the host's work of dropping and
 * backing it was lost.  As much, and not the same: what was reported lies at
 * the tail of the free lists, so a job that comes again is given other granules
 * than it freed.  Heat therefore belongs to an amount of memory, and not to a
 * place.  A mistake makes one granule's worth of it, high enough that the same
 * wait would not end in a report again; the next granule that becomes free gets
 * it; when that one is allocated before its report, the heat has been of use
 * and is there for the next.  Otherwise it is spent with the report.
 */
#include <linux/jiffies.h>
#include <linux/minmax.h>
#include <linux/string.h>

#include "granule.h"
#include "heat.h"
#include "policy.h"

static unsigned int cooled(const struct heat *heat, unsigned long now)
{
	unsigned long levels = (now - heat->stamp) / HEAT_COOLING;

	return levels < heat->level ? heat->level - levels : 0;
}

/*
 * One more granule is to get heat, and the first of a job tells how much: when
 * the last is taken does not depend on how long the job was away.
 */
static void give(struct heat *heat, unsigned int level, unsigned long now)
{
	unsigned int left = cooled(heat, now);

	heat->nr = left ? heat->nr + 1 : 1;
	heat->level = !left || heat->given ? max(left, level) : left;
	heat->stamp = now;
	heat->given = 0;
}

/**
 * heat_reported - granules have been reported
 * @heat: the heat
 * @nr: how many, without those that had been free for HEAT_COLD
 * @waited: how long they had been free, on average
 * @now: jiffies
 */
void heat_reported(struct heat *heat, unsigned long nr, unsigned long waited,
		   unsigned long now)
{
	struct heat_batch *batch = heat->batch;

	if (!nr)
		return;
	if (!batch->nr || now - batch->first >= HEAT_SOON / HEAT_BATCHES) {
		if (batch->nr)
			memmove(batch + 1, batch, (HEAT_BATCHES - 1) * sizeof(*batch));
		*batch = (struct heat_batch){ .first = now };
	}
	batch->nr += nr;
	batch->last = now;
	batch->waited = max(batch->waited, waited);
}

/**
 * heat_reused - a reported granule is being allocated
 * @heat: the heat
 * @nr_dirty: granules that wait for their report
 * @now: jiffies
 * @base: delay of a cold granule
 *
 * When more waits than was reported lately, it is the allocator that preferred
 * what was reported, and a longer delay would not have helped.
 *
 * Return: true if as much was reported only a short time ago, and the next
 * granule that becomes free has to wait longer.
 */
bool heat_reused(struct heat *heat, unsigned long nr_dirty, unsigned long now,
		 unsigned long base)
{
	struct heat_batch *latest = NULL;
	unsigned int i, level = 1;
	unsigned long nr = 0;

	for (i = HEAT_BATCHES; i--;) {
		struct heat_batch *batch = &heat->batch[i];

		if (!batch->nr || now - batch->last >= HEAT_SOON)
			continue;
		nr += batch->nr;
		latest = batch;
	}
	if (nr <= nr_dirty)
		return false;

	latest->nr--;
	while (level < GRANULE_HEAT_MAX &&
	       policy_earliest(base, level) <= latest->waited + (now - latest->last))
		level++;
	give(heat, level, now);
	return true;
}

/**
 * heat_kept - a granule with heat is being allocated before its report
 * @heat: the heat
 * @level: the granule's
 * @now: jiffies
 */
void heat_kept(struct heat *heat, unsigned int level, unsigned long now)
{
	give(heat, level, now);
}

/**
 * heat_freed - a granule becomes free
 * @heat: the heat
 * @now: jiffies
 * @base: delay of a cold granule
 * @since: where to put when it counts as freed
 *
 * What trickles in behind a job's end, from the lists of CPUs for the most, is due
 * with what the job freed first; though not before @base.
 *
 * Return: The heat that it gets.
 */
unsigned int heat_freed(struct heat *heat, unsigned long now, unsigned long base,
			unsigned long *since)
{
	unsigned int level = cooled(heat, now);

	*since = now;
	if (!heat->nr)
		return 0;
	heat->nr = level ? heat->nr - 1 : 0;
	if (!heat->given)
		heat->given = now | 1;
	if (time_after(now, heat->given))
		*since -= min(now - heat->given,
			      policy_delay(base, level) - policy_delay(base, 0));
	return level;
}

// SPDX-License-Identifier: GPL-2.0
/*
 * Pace: how long memory stays free before it is reported.
 *
 * Whether free memory was cold enough is known only afterwards: when as much of
 * it is allocated again soon, the host has dropped and backed it for nothing.
 * What counts is the amount, not the address: what was reported lies at the tail
 * of the free lists, so a job that comes again is given other granules than it
 * freed.  One delay therefore serves all memory.  It grows when a good part of
 * what was reported is needed again within PACE_SOON, and makes up a good part of
 * what is needed: to a little more than the time for which that memory had been
 * free.  It is halved, down to the configured delay, for each period in which it
 * was useless.
 *
 * The hooks write single words of struct pace without a lock.  A lost update
 * makes the delay a little shorter or longer, once.
 */
#include <linux/compiler.h>
#include <linux/minmax.h>

#include "pace.h"

/* The delay that would have avoided the current mistakes; 0 if they are few. */
static unsigned long pace_wanted(const struct pace *pace)
{
	unsigned long of = max(pace->nr, READ_ONCE(pace->taken));
	unsigned long few = max(of / PACE_SHARE, (unsigned long)PACE_WORTH);
	unsigned long gap;

	if (READ_ONCE(pace->reused) < few)
		return 0;
	gap = pace->waited + (READ_ONCE(pace->reused_at) - pace->first);
	return gap + gap / 2;
}

/* The delay that earlier mistakes still call for. */
static unsigned long pace_held(const struct pace *pace, unsigned long now)
{
	unsigned long halvings = (now - READ_ONCE(pace->used_at)) / PACE_COOLING;

	return halvings < BITS_PER_LONG ? pace->hold >> halvings : 0;
}

/* The current mistakes become earlier ones. */
static void pace_settle(struct pace *pace, unsigned long now)
{
	unsigned long wanted = pace_wanted(pace), held = pace_held(pace, now);

	if (wanted > held || !held) {
		WRITE_ONCE(pace->hold, wanted);
		WRITE_ONCE(pace->used_at, now);
	}
	WRITE_ONCE(pace->taken, 0);
	WRITE_ONCE(pace->reused, 0);
	WRITE_ONCE(pace->nr, 0);
	pace->waited = 0;
}

/**
 * fpr_pace_reported() - memory has been reported
 * @pace: the pace
 * @nr: pages, without those that had been free for GRANULE_LONG_AGO
 * @waited: how long they had been free, on average
 * @now: jiffies
 *
 * Context: One caller at a time.
 */
void fpr_pace_reported(struct pace *pace, unsigned long nr, unsigned long waited,
		       unsigned long now)
{
	if (!nr)
		return;
	if (!pace->nr || now - pace->first >= PACE_SOON) {
		pace_settle(pace, now);
		pace->first = now;
	}
	WRITE_ONCE(pace->nr, pace->nr + nr);
	WRITE_ONCE(pace->last, now);
	pace->waited = max(pace->waited, waited);
}

/**
 * fpr_pace_is_mistake() - is the reuse of reported memory a mistake?
 * @pace: the pace
 * @nr_dirty: pages that wait for their report
 * @now: jiffies
 *
 * When more waits than was reported lately, the allocator preferred reported
 * memory, and a longer delay would not have helped.
 *
 * Context: Any.
 * Return: true if at least as much was reported within the last PACE_SOON.
 */
bool fpr_pace_is_mistake(const struct pace *pace, unsigned long nr_dirty,
			 unsigned long now)
{
	return READ_ONCE(pace->nr) > nr_dirty + READ_ONCE(pace->reused) &&
	       now - READ_ONCE(pace->last) < PACE_SOON;
}

/**
 * fpr_pace_taken() - reported memory is needed again
 * @pace: the pace
 * @nr: pages
 * @mistake: what fpr_pace_is_mistake() says of them
 * @now: jiffies
 *
 * Context: Any.
 */
void fpr_pace_taken(struct pace *pace, unsigned long nr, bool mistake, unsigned long now)
{
	unsigned long reused = READ_ONCE(pace->reused);

	WRITE_ONCE(pace->taken, READ_ONCE(pace->taken) + nr);
	if (!mistake)
		return;
	if (!reused)
		WRITE_ONCE(pace->reused_at, now);
	WRITE_ONCE(pace->reused, reused + nr);
}

/**
 * fpr_pace_kept() - a granule is being allocated before its report
 * @pace: the pace
 * @age: how long it has been free
 * @base: the configured delay
 * @now: jiffies
 *
 * Context: Any.
 */
void fpr_pace_kept(struct pace *pace, unsigned long age, unsigned long base,
		   unsigned long now)
{
	if (age >= base && READ_ONCE(pace->hold))
		WRITE_ONCE(pace->used_at, now);
}

/**
 * fpr_pace_delay() - how long memory stays free before it is reported, now
 * @pace: the pace
 * @base: the configured delay; 0 reports at once, regardless of earlier reuse
 * @now: jiffies
 *
 * Context: One caller at a time.
 * Return: Jiffies, from @base to PACE_MAX times @base.
 */
unsigned long fpr_pace_delay(struct pace *pace, unsigned long base, unsigned long now)
{
	/* By then it is known how much a job takes. */
	if (READ_ONCE(pace->reused) && now - READ_ONCE(pace->reused_at) >= PACE_SOON)
		pace_settle(pace, now);
	return clamp(max(pace_held(pace, now), pace_wanted(pace)), base, PACE_MAX * base);
}

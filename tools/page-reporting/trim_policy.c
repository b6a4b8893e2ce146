// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What is cold, and how fast it is taken.
 *
 * The kernel keeps files on two lists.  What is read goes to the head of the inactive
 * one, what is used again while it is there moves to the active one, and what is
 * reclaimed comes from the inactive one's tail.  So the inactive list is a queue, and
 * of a queue one knows how old its tail is without looking into it: of what was in it
 * a while ago, all is that old that has not left since.  Things leave by being stolen
 * and by being activated, which the kernel counts; by being deleted, which shows as a
 * shorter queue.  What comes in at the head does not matter.
 *
 * Some use does not show in the queue.  A file that is mapped into a program stays where
 * it is when the program touches it, until the kernel looks; with the multi-generational
 * LRU so does one that is read.  To have the kernel look costs pages that are in use, so
 * as much as may be used in this way is left: what is mapped, what can have been read in
 * the CPU time that was spent.  Where nobody ran, nothing was used.
 *
 * The active list has no age to go by.  When little is inactive and much is active,
 * taking a few pages of the tail makes the kernel move a share of the active list to
 * the head of the inactive one, where what is in use has all the time that makes
 * cache cold to be activated again.  A few cold MiB are left for that.
 *
 * No estimate is trusted at first.  A small share is taken, then twice as much after a
 * fifth of that time, as long as nothing is read again; when it is, all stops for a
 * time that doubles.
 */
#include <stddef.h>

#include "number.h"
#include "trim_policy.h"

#define MIB (UINT64_C(1) << 20)

/* What is left at the tail, and what is taken of it to have active files looked at. */
#define CARPET_MAX	(8 * MIB)
#define PROBE		(128u << 10)
/* Fewer active files than this are not worth it. */
#define ACTIVE_LEAST	(32 * MIB)
/* Who uses less than this share of a CPU rests. */
#define REST_SHARE	1000
/* Nobody reads more than 10 GB of page cache in a second of CPU time. */
#define READ_BYTES_US	10000
/* At first a 64th is taken at each look. */
#define FIRST_SHARE	6
/* What is read again by chance; and the share of what was taken that is too much. */
#define REFAULT_LEAST	(64u << 10)
#define REFAULT_SHARE	64
/* As long as it takes to see that something is not used. */
#define HOLD_FIRST	TRIM_LOOKS
#define HOLD_MAX	(16 * TRIM_LOOKS)

/*
 * A job that keeps one CPU of two busy is one at full load.  Memory: a thousandth of
 * the time is what we may cost, and others' waits are reason enough to stop at once.
 */
enum trim_rest trim_rests(const struct load *load)
{
	if (load->stalls || (load->pressure_known && load->memory_us > load->us / 1000))
		return TRIM_REST_MEMORY;
	if (load->pressure_known && load->cpu_us > load->us / 10)
		return TRIM_REST_CPU;
	if (load->busy_us > mul_sat(load->us, load->cpus) * 2 / 5)
		return TRIM_REST_CPU;
	return TRIM_CALM;
}

static const struct cache_stat *look_of(const struct trim_memory *memory, unsigned int ago)
{
	unsigned int size = TRIM_LOOKS + 1;

	return &memory->look[(memory->at + size - ago) % size];
}

/* Bytes that may have been used since the first look without a trace in the queue. */
uint64_t trim_unseen(const struct trim_memory *memory, const struct cache_stat *now)
{
	uint64_t ran_us = sub_floor(now->cpu_us, look_of(memory, memory->nr)->cpu_us);
	uint64_t read = now->generations ? mul_sat(ran_us, READ_BYTES_US) : 0;

	return ran_us ? add_sat(sub_floor(now->mapped, now->shared), read) : 0;
}

/* Bytes of the inactive list that were there at all looks; 0 until there were enough. */
uint64_t trim_cold(const struct trim_memory *memory, const struct cache_stat *now)
{
	uint64_t least = UINT64_MAX, again, moved;
	const struct cache_stat *then;
	unsigned int ago;

	if (memory->nr <= TRIM_LOOKS)
		return 0;
	for (ago = 1; ago <= TRIM_LOOKS + 1; ago++) {
		then = look_of(memory, ago);
		least = min_u64(least, add_sat(then->inactive, then->stolen));
	}
	then = look_of(memory, TRIM_LOOKS + 1);
	/* What came from the active list and went back is no loss to the queue. */
	again = sub_floor(now->activated, then->activated);
	moved = sub_floor(now->deactivated, then->deactivated);
	least = sub_floor(least, add_sat(now->stolen, sub_floor(again, moved)));
	return min_u64(least, now->inactive);
}

static void remember(struct trim_memory *memory, const struct cache_stat *now, uint64_t now_us)
{
	memory->look[memory->at] = *now;
	memory->time_us[memory->at] = now_us;
	memory->at = (memory->at + 1) % (TRIM_LOOKS + 1);
	if (memory->nr <= TRIM_LOOKS)
		memory->nr++;
}

/* More was read again since the last look than chance explains. */
static bool regrets(const struct trim_memory *memory, const struct cache_stat *now)
{
	uint64_t taken, again;

	if (!memory->nr)
		return false;
	again = sub_floor(now->refaulted, look_of(memory, 1)->refaulted);
	taken = sub_floor(now->stolen, look_of(memory, memory->nr)->stolen);
	return again > REFAULT_LEAST && again > taken / REFAULT_SHARE;
}

/*
 * A file that is in use by others than those whose cache it is passes for cold.  When the
 * kernel looks at its pages it passes them over.  It must not be made to look twice.
 */
bool trim_resists(const struct cache_stat *before, const struct cache_stat *now)
{
	uint64_t scanned = sub_floor(now->scanned, before->scanned);
	uint64_t stolen = sub_floor(now->stolen, before->stolen);

	/* What is moved on from the oldest generation; of two lists, the active one. */
	if (now->generations)
		scanned = add_sat(scanned, sub_floor(now->refilled, before->refilled));
	return scanned > 2 * stolen + TRIM_LEAST;
}

/* Nothing more for a time that doubles. */
void trim_hold(struct trim_memory *memory)
{
	unsigned int next = memory->last_hold ? memory->last_hold * 2 : HOLD_FIRST;

	/* What is read again while we wait is what had been taken before. */
	if (memory->hold)
		return;
	memory->hold = next < HOLD_MAX ? next : HOLD_MAX;
	memory->last_hold = memory->hold;
	memory->trust = 0;
}

/* Those whose cache it is do next to nothing, so it is hardly in use. */
static bool rests(const struct trim_memory *memory, const struct cache_stat *now)
{
	unsigned int size = TRIM_LOOKS + 1;
	uint64_t time_us = memory->time_us[(memory->at + size - 1) % size] -
			   memory->time_us[(memory->at + size - memory->nr) % size];

	return sub_floor(now->cpu_us, look_of(memory, memory->nr)->cpu_us) < time_us / REST_SHARE;
}

/* Something small of the tail, if that makes the kernel look at its active files. */
static uint64_t probe(struct trim_memory *memory, const struct cache_stat *now, uint64_t cold,
		      uint64_t unseen)
{
	const struct cache_stat *then = look_of(memory, memory->nr);
	uint64_t again = now->activated - then->activated;
	uint64_t moved = now->deactivated - then->deactivated;

	if (now->active < ACTIVE_LEAST || now->inactive >= now->active)
		return 0;
	/* What was moved is in use, or the queue is. */
	if (again > moved / 2 + MIB)
		return 0;
	if (cold < PROBE) {
		/* Nothing is left to give for it, so it costs pages that may be in use. */
		if (memory->seeded || unseen || !rests(memory, now))
			return 0;
		memory->seeded = TRIM_LOOKS;
	}
	return PROBE;
}

static unsigned int share(const struct trim_memory *memory)
{
	unsigned int doubled = memory->trust * 5 / TRIM_LOOKS;

	return doubled < FIRST_SHARE ? FIRST_SHARE - doubled : 0;
}

/*
 * How much to take at this look; nothing unless it is calm.  "below" lies on the
 * inactive lists of groups below this one.  The kernel takes from all of them, so most
 * must be this one's.
 */
uint64_t trim_decide(struct trim_memory *memory, const struct cache_stat *own, uint64_t below,
		     uint64_t now_us, bool calm)
{
	uint64_t unseen = memory->nr ? trim_unseen(memory, own) : 0;
	uint64_t cold = sub_floor(trim_cold(memory, own), unseen), carpet, take;
	bool regret = regrets(memory, own);

	remember(memory, own, now_us);
	if (memory->seeded)
		memory->seeded--;
	if (regret)
		trim_hold(memory);
	if (memory->hold) {
		memory->hold--;
		return 0;
	}
	if (!calm || memory->nr <= TRIM_LOOKS || cold < below)
		return 0;
	carpet = min_u64(own->active / 8, CARPET_MAX);
	if (cold < carpet + TRIM_LEAST)
		return probe(memory, own, cold, unseen);
	take = cold - carpet;
	take = min_u64(take, (take >> share(memory)) + TRIM_LEAST);
	if (memory->trust < 2 * FIRST_SHARE * TRIM_LOOKS)
		memory->trust++;
	/* A good while without regret: the next hold is a short one again. */
	if (memory->trust > TRIM_LOOKS)
		memory->last_hold = 0;
	return take;
}

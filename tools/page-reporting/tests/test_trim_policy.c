// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The trim's policy against a queue of page cache made up for the purpose, look by look.
 */
#include <string.h>

#include "../trim_policy.h"
#include "check.h"

#define MIB (UINT64_C(1) << 20)
#define GIB (UINT64_C(1) << 30)

struct cache {
	struct trim_memory memory;
	struct cache_stat stat;
	bool busy;
	uint64_t time_us;
	bool in_use;		/* what is moved from the active list goes back at once */
	uint64_t runs_us;	/* CPU time from look to look */
};

/* The kernel moves a share of what is active when something is taken of little. */
static void move_active(struct cache *cache)
{
	uint64_t moved = cache->stat.active / 64;

	cache->stat.deactivated += moved;
	cache->stat.active -= moved;
	cache->stat.inactive += moved;
}

static void use_again(struct cache *cache, uint64_t bytes)
{
	cache->stat.activated += bytes;
	cache->stat.active += bytes;
	cache->stat.inactive -= bytes;
}

/* One look, at which what is wanted is taken. */
static uint64_t look(struct cache *cache)
{
	uint64_t take, before;

	cache->time_us += 3000000;
	cache->stat.cpu_us += cache->runs_us;
	take = trim_decide(&cache->memory, &cache->stat, 0, cache->time_us, !cache->busy);
	before = cache->stat.inactive;
	if (take && cache->stat.inactive < cache->stat.active)
		move_active(cache);
	CHECK(take <= cache->stat.inactive);
	cache->stat.inactive -= take;
	cache->stat.stolen += take;
	if (take && cache->in_use && cache->stat.inactive > before)
		use_again(cache, cache->stat.inactive - before);
	return take;
}

static uint64_t looks(struct cache *cache, unsigned int n)
{
	uint64_t sum = 0;

	while (n--)
		sum += look(cache);
	return sum;
}

static void cold_cache_goes(void)
{
	struct cache cache = { .stat = { .inactive = GIB } };

	CHECK(!looks(&cache, TRIM_LOOKS + 1));
	/* As long again: half; three times as long: nine tenths. */
	CHECK(looks(&cache, TRIM_LOOKS) >= GIB / 2);
	looks(&cache, 2 * TRIM_LOOKS);
	CHECK(cache.stat.inactive <= GIB / 10);
}

static void begins_gently(void)
{
	struct cache cache = { .stat = { .inactive = GIB } };

	looks(&cache, TRIM_LOOKS + 1);
	CHECK(looks(&cache, TRIM_LOOKS / 3) <= GIB / 6);
}

static void what_is_young_stays(void)
{
	struct cache cache = { .stat = { .inactive = 100 * MIB } };
	unsigned int i;

	/* 10 MiB are read at each look: 200 MiB of the queue are young at any time. */
	for (i = 0; i < 20 * TRIM_LOOKS; i++) {
		cache.stat.inactive += 10 * MIB;
		look(&cache);
		CHECK(i < TRIM_LOOKS || cache.stat.inactive >= 10 * MIB * TRIM_LOOKS);
	}
	CHECK(cache.stat.inactive <= 300 * MIB);
}

static void used_twice_is_no_age(void)
{
	struct cache cache = { .stat = { .inactive = 100 * MIB } };
	unsigned int i;

	/* As much is read as is used again: the queue is as long as before, and young. */
	for (i = 0; i < 10 * TRIM_LOOKS; i++) {
		cache.stat.activated += 10 * MIB;
		cache.stat.active += 10 * MIB;
		CHECK(!look(&cache));
	}
}

static void the_kernels_own_takings(void)
{
	struct cache cache = { .stat = { .inactive = GIB } };

	looks(&cache, TRIM_LOOKS + 1);
	/* All but 50 MiB is taken by others, and read anew. */
	cache.stat.stolen += GIB - 50 * MIB;
	CHECK(trim_cold(&cache.memory, &cache.stat) <= 50 * MIB);
}

static void deleted_files_are_not_cold(void)
{
	struct cache cache = { .stat = { .inactive = GIB } };

	looks(&cache, TRIM_LOOKS);
	cache.stat.inactive = 10 * MIB;
	look(&cache);
	cache.stat.inactive = GIB;	/* others have come instead */
	CHECK(trim_cold(&cache.memory, &cache.stat) <= 10 * MIB);
}

static void regret_stops_it(void)
{
	struct cache cache = { .stat = { .inactive = GIB } };
	unsigned int round, rest, before = 0;

	looks(&cache, TRIM_LOOKS + 3);
	for (round = 0; round < 4; round++) {
		cache.stat.refaulted += 8 * MIB;
		for (rest = 0; !look(&cache) && rest < 1000; rest++)
			;
		CHECK(rest >= TRIM_LOOKS - 1 && rest < 1000);
		CHECK(rest > before);
		before = rest;
	}
	/* What is read again by chance does not stop it. */
	cache.stat.refaulted += 32 << 10;
	CHECK(look(&cache));
}

static void regret_does_not_last(void)
{
	struct cache cache = { .stat = { .inactive = 4 * GIB } };
	unsigned int rest;

	for (rest = 0; rest < 6; rest++) {
		cache.stat.refaulted += 8 * MIB;
		looks(&cache, 2 * TRIM_LOOKS);
	}
	cache.stat.inactive = 4 * GIB;
	looks(&cache, 40 * TRIM_LOOKS);
	cache.stat.inactive = 4 * GIB;
	looks(&cache, TRIM_LOOKS + 1);
	cache.stat.refaulted += 200 * MIB;
	for (rest = 0; !look(&cache) && rest < 1000; rest++)
		;
	CHECK(rest <= TRIM_LOOKS);
}

static void load_stops_it(void)
{
	struct cache cache = { .stat = { .inactive = GIB } };

	looks(&cache, TRIM_LOOKS + 1);
	cache.busy = true;
	CHECK(!looks(&cache, 5 * TRIM_LOOKS));
	cache.busy = false;
	CHECK(look(&cache));
}

static void others_children_are_spared(void)
{
	struct trim_memory memory = { 0 };
	struct cache_stat own = { .inactive = 100 * MIB };
	unsigned int i;

	for (i = 0; i < 5 * TRIM_LOOKS; i++)
		CHECK(!trim_decide(&memory, &own, GIB, i, true));
	CHECK(trim_decide(&memory, &own, 50 * MIB, i, true));
}

static void active_cache_grows_cold(void)
{
	struct cache cache = { .stat = { .active = GIB } };

	looks(&cache, 20 * TRIM_LOOKS);
	CHECK(cache.stat.active + cache.stat.inactive < GIB / 4);
}

static void active_cache_in_use_stays(void)
{
	struct cache cache = { .stat = { .active = GIB }, .in_use = true };

	/* A seed now and then: 128 KiB. */
	CHECK(looks(&cache, 20 * TRIM_LOOKS) <= 20 * (128 << 10));
}

static void active_cache_of_the_busy_is_left_alone(void)
{
	struct cache cache = { .stat = { .active = GIB }, .runs_us = 10000 };

	CHECK(!looks(&cache, 20 * TRIM_LOOKS));
}

/* To touch memory hardly takes time. */
static void mapped_cache_stays_while_somebody_runs(void)
{
	struct cache cache = { .stat = { .inactive = GIB, .mapped = 128 * MIB }, .runs_us = 1 };

	looks(&cache, 10 * TRIM_LOOKS);
	CHECK(cache.stat.inactive >= 128 * MIB && cache.stat.inactive < 150 * MIB);
	/* And is not given for having active files looked at. */
	cache = (struct cache){ .stat = { .active = GIB, .mapped = 128 * MIB }, .runs_us = 1 };
	CHECK(!looks(&cache, 10 * TRIM_LOOKS));
}

static void mapped_cache_of_sleepers_goes(void)
{
	struct cache cache = { .stat = { .inactive = GIB, .mapped = GIB } };

	looks(&cache, 10 * TRIM_LOOKS);
	CHECK(cache.stat.inactive < 10 * MIB);
}

static void shared_memory_is_no_mapped_file(void)
{
	struct cache cache = { .stat = { .inactive = GIB, .mapped = GIB, .shared = GIB },
			       .runs_us = 1000 };

	looks(&cache, 10 * TRIM_LOOKS);
	CHECK(cache.stat.inactive < 10 * MIB);
}

static void generations_do_not_show_what_is_read(void)
{
	/* Half a per cent of a CPU could read all of it in a minute. */
	struct cache cache = { .stat = { .inactive = GIB, .generations = true }, .runs_us = 15000 };

	CHECK(!looks(&cache, 10 * TRIM_LOOKS));
	cache.stat.generations = false;
	CHECK(looks(&cache, 10 * TRIM_LOOKS) > GIB * 9 / 10);
	/* A 30,000th of one could not. */
	cache = (struct cache){ .stat = { .inactive = GIB, .generations = true }, .runs_us = 100 };
	looks(&cache, 10 * TRIM_LOOKS);
	CHECK(cache.stat.inactive >= 20 * MIB && cache.stat.inactive < 40 * MIB);
}

static void what_is_passed_over_resists(void)
{
	struct cache_stat before = { .scanned = GIB, .stolen = GIB }, now = before;

	now.scanned += 8 * MIB;
	now.stolen += 8 * MIB;
	CHECK(!trim_resists(&before, &now));
	/* Of active files; what generations move on is in use. */
	now.refilled += 16 * MIB;
	CHECK(!trim_resists(&before, &now));
	now.generations = true;
	CHECK(trim_resists(&before, &now));
	now = before;
	now.scanned += 16 * MIB;
	CHECK(trim_resists(&before, &now));
}

static void loads(void)
{
	static const struct {
		struct load load;
		enum trim_rest rest;
	} cases[] = {
		{ { .us = 1000000, .cpus = 2 }, TRIM_CALM },
		{ { .us = 1000000, .cpus = 2, .busy_us = 500000 }, TRIM_CALM },
		{ { .us = 1000000, .cpus = 2, .busy_us = 950000 }, TRIM_REST_CPU },
		{ { .us = 1000000, .cpus = 1, .busy_us = 950000 }, TRIM_REST_CPU },
		{ { .us = 1000000, .cpus = 8, .busy_us = 950000 }, TRIM_CALM },
		{ { .us = 1000000, .cpus = 8, .pressure_known = true, .cpu_us = 200000 },
		  TRIM_REST_CPU },
		{ { .us = 1000000, .cpus = 8, .pressure_known = true, .memory_us = 1500 },
		  TRIM_REST_MEMORY },
		{ { .us = 1000000, .cpus = 8, .memory_us = 1500, .cpu_us = 200000 }, TRIM_CALM },
		{ { .us = 1000000, .cpus = 8, .stalls = 1 }, TRIM_REST_MEMORY },
	};
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		CHECK(trim_rests(&cases[i].load) == cases[i].rest);
}

int main(void)
{
	cold_cache_goes();
	begins_gently();
	what_is_young_stays();
	used_twice_is_no_age();
	the_kernels_own_takings();
	deleted_files_are_not_cold();
	regret_stops_it();
	regret_does_not_last();
	load_stops_it();
	others_children_are_spared();
	active_cache_grows_cold();
	active_cache_in_use_stays();
	active_cache_of_the_busy_is_left_alone();
	mapped_cache_stays_while_somebody_runs();
	mapped_cache_of_sleepers_goes();
	shared_memory_is_no_mapped_file();
	generations_do_not_show_what_is_read();
	what_is_passed_over_resists();
	loads();
	return checked("trim policy");
}

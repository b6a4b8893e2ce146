// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * "trim": takes page cache that has not been used for a time, bit by bit, as long as
 * nobody else needs the CPUs and nobody waits for memory; then has it reported.
 *
 * The policy is in trim_policy.c.  Here is the pace: between two looks no more than a
 * twentieth of a CPU's time is spent, measured, for what it costs to take a page differs
 * from guest to guest.
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "commands.h"
#include "flush.h"
#include "group.h"
#include "load.h"
#include "snapshot.h"
#include "sysfile.h"
#include "units.h"

#define MIB (UINT64_C(1) << 20)

#define CPU_SHARE	20
/* What may be lost before it is seen that all is in use: the kernel takes no less at a time. */
#define FIRST_BITE	(128u << 10)
#define PIECE		TRIM_LEAST
/* Taken since the last flush: enough for one when nothing more is to be had, or at once. */
#define FLUSH_LEAST	(16 * MIB)
#define FLUSH_SOON	(256 * MIB)
#define FLUSH_MS	4000
/* Looks without load before we begin; and most of the CPU's time at one. */
#define CALM_LOOKS	2
#define LOOK_CPU_US	250000
/* Load is judged over all the time between two looks, and over the end of it. */
#define RECENT_US	1000000

struct trim {
	struct groups groups;
	bool engine;		/* flushes make sense */
	uint64_t age_s;
	bool quiet;
	uint64_t unflushed;
	uint64_t cpu_before_us;	/* used when the last line was printed */
};

static volatile sig_atomic_t ended;

static void end(int signal)
{
	(void)signal;
	ended = 1;
}

/* Three times in a row somebody runs: a job, not a tick of the kernel's. */
static bool somebody_runs(void)
{
	unsigned int i;

	for (i = 0; i < 3; i++) {
		if (!load_runnable())
			return false;
		sleep_us(2000);
	}
	return true;
}

/* A guest that is parked is to stay as it is. */
static bool paused(void)
{
	return sysfile_number("/proc/sys/vm/page_reporting_pause").n;
}

/* Sleeps until the next look; whether nobody needed CPUs or memory meanwhile. */
static bool wait_in_calm(uint64_t pace_us)
{
	uint64_t recent_us = min_u64(pace_us, RECENT_US);
	struct load_sums begin, middle, now;
	struct load whole, recent;

	load_read(&begin);
	sleep_us(pace_us - recent_us);
	load_read(&middle);
	sleep_us(recent_us);
	load_read(&now);
	load_between(&begin, &now, &whole);
	load_between(&middle, &now, &recent);
	return trim_rests(&whole) == TRIM_CALM && trim_rests(&recent) == TRIM_CALM;
}

static enum exit_status failed(int err)
{
	bool permission = err == -EACCES || err == -EPERM || err == -EROFS;

	fprintf(stderr, "page-reporting: cannot take page cache: %s%s\n", strerror(-err),
		permission ? "; it takes root" : "");
	return permission ? STATUS_PERMISSION : STATUS_FAILED;
}

/* A group that ends meanwhile is no fault. */
static enum exit_status take(struct trim *trim, struct group *group, uint64_t want,
			     uint64_t until_us, uint64_t *taken)
{
	struct cache_stat before, now;
	uint64_t most = FIRST_BITE;

	if (!group_read(&trim->groups, group, &before))
		return STATUS_OK;
	while (want >= TRIM_LEAST / 2 && cpu_us() < until_us && !ended) {
		uint64_t bytes = min_u64(want, most);
		int err = group_reclaim(&trim->groups, group, bytes);

		if (err == -ENOENT || err == -ENODEV || err == -EINTR)
			return STATUS_OK;
		if (err && err != -EAGAIN)
			return failed(err);
		/* Less than that, or at great pains: what is left is dirty, or in use. */
		if (err || (group_read(&trim->groups, group, &now) && trim_resists(&before, &now))) {
			trim_hold(&group->memory);
			return STATUS_OK;
		}
		*taken += bytes;
		want -= bytes;
		most = PIECE;
	}
	return STATUS_OK;
}

/* Looks at every group, also when nothing may be taken: that is how time is told. */
static enum exit_status look(struct trim *trim, bool calm, uint64_t until_us, uint64_t *taken)
{
	enum exit_status status = STATUS_OK;
	unsigned int i;

	groups_read(&trim->groups);
	for (i = 0; i < trim->groups.nr && !status; i++) {
		struct group *group = &trim->groups.group[i];
		unsigned int held = group->memory.hold;
		uint64_t want;

		if (!group->reaches)
			continue;
		want = trim_decide(&group->memory, &group->own,
				   sub_floor(group->all.inactive, group->own.inactive), now_us(),
				   calm);
		if (want)
			status = take(trim, group, want, until_us, taken);
		if (group->memory.hold > held && !trim->quiet)
			printf("%s: some of it is in use: nothing more for %" PRIu64
			       " s\n", *group->path ? group->path : "/",
			       group->memory.hold * trim->age_s / TRIM_LOOKS);
	}
	return status;
}

/* What was taken is in pieces between what was not: have it made whole, and reported. */
static void give_back(struct trim *trim)
{
	char taken[HUMAN_SIZE], cpu[HUMAN_SIZE];
	uint64_t used = cpu_us();

	/* Out of time is no fault: it goes on. */
	if (trim->engine) {
		enum exit_status status = flush_all(FLUSH_MS, FLUSH_EVACUATE);

		trim->engine = status == STATUS_OK || status == STATUS_TIMEOUT ||
			       status == STATUS_PASSED_OVER || status == STATUS_PAUSED;
	}
	if (!trim->quiet)
		printf("took %s of page cache that was not used for %" PRIu64 " s, with %s of CPU time\n",
		       human_bytes(taken, trim->unflushed), trim->age_s,
		       human(cpu, UNIT_US, number_of(used - trim->cpu_before_us)));
	fflush(stdout);
	trim->cpu_before_us = used;
	trim->unflushed = 0;
}

static enum exit_status start(struct trim *trim, const struct options *options)
{
	static struct engine engine;
	const char *missing;

	trim->age_s = options->age_s;
	trim->quiet = options->quiet;
	groups_read(&trim->groups);
	missing = groups_missing(&trim->groups);
	if (missing) {
		fprintf(stderr, "page-reporting: no page cache can be taken: %s\n", missing);
		return STATUS_UNSUPPORTED;
	}
	engine_read(&engine);
	trim->engine = engine.kind == ENGINE_FULL;
	if (!trim->engine)
		fputs("page-reporting: this kernel has no flush: what is taken is reported when it gets to it, if at all\n",
		      stderr);
	return STATUS_OK;
}

enum exit_status trim_command(const struct options *options)
{
	static struct trim trim;
	const struct sigaction action = { .sa_handler = end };
	uint64_t pace_us = options->age_s * 1000000 / TRIM_LOOKS, looks;
	uint64_t budget_us = min_u64(pace_us / CPU_SHARE, LOOK_CPU_US);
	enum exit_status status = start(&trim, options);
	unsigned int calm = 0;

	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	for (looks = 0; !status && !ended && (!options->count || looks < options->count); looks++) {
		uint64_t taken = 0;
		bool may;

		calm = wait_in_calm(pace_us) && !paused() ? calm + 1 : 0;
		may = calm >= CALM_LOOKS && !somebody_runs();
		status = look(&trim, may, cpu_us() + budget_us, &taken);
		trim.unflushed += taken;
		if (may && (trim.unflushed >= FLUSH_SOON ||
			    (!taken && trim.unflushed >= FLUSH_LEAST)))
			give_back(&trim);
	}
	if (trim.unflushed && !status)
		give_back(&trim);
	return status;
}

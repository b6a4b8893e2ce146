// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Right-sizing: find the size a guest needs by taking a little at a time.
 *
 * After senpai: probe while it does not hurt, back off as soon as it does, and
 * probe less the closer it comes. The measure is what the guest has to read
 * back from disk: major faults and swap, and what its disks read, because a file
 * that is read without being mapped makes no fault.
 *
 *	pressure p = worst rate since the last probe / limit
 *	p < 1/2: take 1 % of the size * (1 - p)^2, up to 3 % after probes in a
 *		row with p = 0, or a quarter of the memory that is plainly free,
 *		whichever is more
 *	p < 1:	stay
 *	p >= 1:	give 2 % * p, at most 10 %, and wait three intervals, the first
 *		of them whatever p is
 *
 * Two things end the search. Memory that programs made gives no warning before
 * it runs out, so a guest keeps 5 % above its need, half of what a take under
 * pressure leaves to it and half of the 10 % that the result may be off. And a
 * size that hurt is not tried again for a while: the bottom. A cache that is a
 * little too small is read again as a whole, so going there time and again to
 * see whether it still hurts would be the harm itself. Each time it does, the
 * bottom is kept for twice as long.
 *
 * A guest that always reads much, such as a backup, would look like one in
 * need. What it reads while it has its full size is not for want of memory, and
 * that much is no sign later.
 */
#include "policy.h"

#define GRACE_PROBES 3
#define PACE_MAX 3		/* percent of the size in one probe */
#define READ_BYTES (128 * KIB)	/* what one fault reads, with its neighbours */
#define BOTTOM_PROBES 60	/* how long a size that hurt is left out at first */
#define BOTTOM_DOUBLINGS 4

static uint64_t bottom_ms(const struct policy_config *config, const struct policy_memory *memory)
{
	return (config->rightsize_interval_ms * BOTTOM_PROBES) << memory->bottom_doublings;
}

/**
 * rightsize_hurt - remember the size at which a guest was in need
 * @config: the policy's configuration
 * @memory: what is remembered about the guest; its "lowest" is the size
 * @time_ms: the time now
 */
void rightsize_hurt(const struct policy_config *config, struct policy_memory *memory,
		    uint64_t time_ms)
{
	uint64_t since = sub_floor(time_ms, memory->bottom_at_ms);

	if (!memory->bottom_at_ms || since >= 4 * bottom_ms(config, memory)) {
		memory->bottom_doublings = 0;
		memory->bottom = 0;
	} else if (since >= GRACE_PROBES * config->rightsize_interval_ms &&
		   memory->bottom_doublings < BOTTOM_DOUBLINGS) {
		memory->bottom_doublings++;
	}
	memory->bottom = max_u64(memory->bottom, memory->lowest);
	memory->pace = 0;
	memory->bottom_at_ms = time_ms;
}

/**
 * rightsize_watch - remember the largest need since a guest was in need
 * @memory: what is remembered about the guest
 * @verdict: its assessment; statistics must be usable
 *
 * A load that comes and goes so finds its memory when it comes again.
 */
void rightsize_watch(struct policy_memory *memory, const struct policy_verdict *verdict)
{
	if (memory->bottom_at_ms)
		memory->bottom = max_u64(memory->bottom, verdict->need);
}

/* Where probing ends: above the need, and above a size that hurt not long ago. */
static uint64_t find_floor(const struct policy_config *config, struct policy_memory *memory,
			   const struct policy_verdict *verdict, uint64_t time_ms)
{
	uint64_t floor = verdict->floor_tight;

	if (!memory->bottom_at_ms ||
	    sub_floor(time_ms, memory->bottom_at_ms) >= bottom_ms(config, memory))
		return floor;
	return max_u64(floor, add_cap(memory->bottom, memory->bottom / 20));
}

/* What is read beyond the usual, in faults a second. */
static uint64_t excess_reads(const struct policy_guest *guest, struct policy_memory *memory,
			     uint64_t elapsed_ms, bool full)
{
	uint64_t before = memory->disk_reads, rate;

	memory->disk_reads = guest->disk_reads;
	if (guest->disk_reads == UNSET || before == UNSET || !before)
		return 0;
	rate = sub_floor(guest->disk_reads, before) / READ_BYTES;
	rate = rate > UNSET / 1000 ? UNSET : rate * 1000 / max_u64(elapsed_ms, 1);
	if (rate < memory->usual_reads)
		memory->usual_reads -= (memory->usual_reads - rate) / 4;
	else if (full)
		memory->usual_reads = rate;
	return sub_floor(rate, memory->usual_reads);
}

/* The worst sign since the last probe, in thousandths of the limit. */
static uint64_t find_pressure(const struct policy_config *config, const struct policy_guest *guest,
			      struct policy_memory *memory, uint64_t elapsed_ms, bool full)
{
	uint64_t rate = max_u64(memory->worst_fault_rate,
				excess_reads(guest, memory, elapsed_ms, full));

	memory->worst_fault_rate = 0;
	return rate > UNSET / 1000 ? 1000000 :
	       rate * 1000 / max_u64(config->rightsize_fault_limit, 1);
}

/*
 * Memory that is available, and not for page cache that could be dropped: no
 * evidence of need, so there is no need to creep.
 */
static uint64_t plainly_free(const struct policy_guest *guest,
			     const struct policy_verdict *verdict)
{
	uint64_t caches = guest->stats.caches == UNSET ? verdict->cache : guest->stats.caches;

	return sub_floor(sub_floor(guest->actual, verdict->need),
			 add_cap(caches, verdict->margin));
}

/**
 * rightsize_next - the next size of a guest in right-sizing mode
 * @config: the policy's configuration
 * @guest: what is known about the guest
 * @memory: what is remembered about it
 * @verdict: its assessment; statistics must be usable
 * @time_ms: the time now
 * @why: set to WHY_PROBE or WHY_BACK_OFF if the size changes
 *
 * Return: the new size in bytes, or 0 to leave it.
 */
uint64_t rightsize_next(const struct policy_config *config, const struct policy_guest *guest,
			struct policy_memory *memory, const struct policy_verdict *verdict,
			uint64_t time_ms, enum why *why)
{
	uint64_t base = min_u64(memory->target, guest->actual);
	uint64_t elapsed = sub_floor(time_ms, memory->probe_ms);
	uint64_t step, permille;
	bool full = memory->target >= verdict->high, first = !memory->probe_ms;

	if (elapsed < config->rightsize_interval_ms)
		return 0;
	memory->probe_ms = time_ms;
	permille = find_pressure(config, guest, memory, elapsed, full);
	if (first)
		return 0;	/* rates need two looks */

	/* Right after a back-off the guest reads back what it had lost. */
	if (permille >= 1000 && memory->grace < GRACE_PROBES) {
		memory->grace = GRACE_PROBES;
		if (full)
			return 0;
		rightsize_hurt(config, memory, time_ms);
		step = guest->actual / 1000 * min_u64(permille / 50, 100);
		*why = WHY_BACK_OFF;
		return min_u64(memory->target + step, verdict->high);
	}
	if (memory->grace) {
		memory->grace--;
		return 0;
	}
	if (permille >= 500)
		return 0;
	memory->pace = permille ? 1 : memory->pace < PACE_MAX ? memory->pace + 1 : PACE_MAX;
	step = guest->actual / 100 * memory->pace * (1000 - permille) / 1000 *
	       (1000 - permille) / 1000;
	step = max_u64(step, plainly_free(guest, verdict) / 4);
	step = min_u64(step, sub_floor(base, find_floor(config, memory, verdict, time_ms)));
	if (step < MIB)
		return 0;
	*why = WHY_PROBE;
	return base - step;
}

// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Right-sizing: find the size a guest needs by taking a little at a time.
 *
 * After senpai: probe while it does not hurt, back off as soon as it does, and
 * probe less the closer it comes. The measure is what the guest has to read
 * back from disk, major faults and swap, in a second.
 *
 *	pressure p = worst rate since the last probe / limit
 *	p < 1:	take 1 % of the size * (1 - p)^2, or a quarter of the memory
 *		that is plainly free, whichever is more
 *	p >= 1:	give 2 % * p, at most 10 %, and wait three intervals
 */
#include "policy.h"

#define GRACE_PROBES 3

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
	uint64_t step, spare, permille;

	if (sub_floor(time_ms, memory->probe_ms) < config->rightsize_interval_ms)
		return 0;
	memory->probe_ms = time_ms;
	permille = memory->worst_fault_rate > UNSET / 1000 ? 1000000 :
		   memory->worst_fault_rate * 1000 / max_u64(config->rightsize_fault_limit, 1);
	memory->worst_fault_rate = 0;

	if (permille >= 1000) {
		memory->grace = GRACE_PROBES;
		step = guest->actual / 1000 * min_u64(permille / 50, 100);
		*why = WHY_BACK_OFF;
		if (memory->target >= verdict->high)
			return 0;
		return min_u64(memory->target + step, verdict->high);
	}
	if (memory->grace) {
		memory->grace--;
		return 0;
	}
	step = guest->actual / 100 * (1000 - permille) / 1000 * (1000 - permille) / 1000;
	spare = sub_floor(verdict->free, 2 * verdict->reserve) / 4;
	/* Memory that is plainly free is no evidence of need: no need to creep. */
	if (permille < 500)
		step = max_u64(step, spare);
	step = min_u64(step, sub_floor(base, verdict->floor));
	if (step < MIB)
		return 0;
	*why = WHY_PROBE;
	return base - step;
}

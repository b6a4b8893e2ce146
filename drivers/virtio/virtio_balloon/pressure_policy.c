// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Judges samples of memory pressure.  Pure: see pressure_policy.h.
 *
 * Three signs of need, each of which would be wrong alone if taken lightly:
 *   - little is left that is free or cheap to free.  Page cache that can be
 *     dropped counts as left, so a guest that merely reads files is not in need;
 *   - tasks reclaim memory themselves, while not much more is left than inflation
 *     would leave;
 *   - tasks wait for memory a good part of the time, and go on doing so: cache that
 *     looks cheap to free is in fact needed.
 *
 * The release fills the gap up to twice the reserve, for the edge of the reserve is
 * where the next allocation would squeeze the guest again.  A need that grows faster
 * than releases follow each other makes them double, and what will be used up before
 * the next sample counts as used.
 */
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/sizes.h>

#include "pressure_policy.h"

#define STEP_MIN	((unsigned long)(SZ_16M >> PAGE_SHIFT))

/* Guest pages that will be gone by the next sample if the need goes on as it did. */
static unsigned long used_until_next(const struct balloon_pressure_sample *sample,
				     const struct balloon_pressure_memory *memory)
{
	unsigned long elapsed = max(sample->now - memory->sampled_at, 1UL);

	if (memory->expected <= sample->spare)
		return 0;
	return min((memory->expected - sample->spare) / elapsed * BALLOON_PRESSURE_PERIOD,
		   sample->ram / 16);
}

static bool is_squeezed(const struct balloon_pressure_sample *sample,
			const struct balloon_pressure_memory *memory, unsigned long used)
{
	if (sample->spare < sample->reserve - sample->reserve / 4 + used)
		return true;
	if (sample->stalls && sample->spare < 2 * sample->reserve)
		return true;
	return sample->psi_known && memory->psi_windows >= BALLOON_PSI_WINDOWS;
}

/**
 * balloon_pressure_judge() - does the guest need memory back?
 * @sample: the situation
 * @memory: of the sample before; updated
 * @verdict: filled in
 *
 * Context: Any; touches nothing but its arguments.
 */
void balloon_pressure_judge(const struct balloon_pressure_sample *sample,
			    struct balloon_pressure_memory *memory,
			    struct balloon_pressure_verdict *verdict)
{
	bool soon = memory->step &&
		    time_before(sample->now, memory->at + BALLOON_PRESSURE_SOON);
	unsigned long used = soon ? used_until_next(sample, memory) : 0;
	unsigned long goal = 2 * sample->reserve + used;
	unsigned long step = STEP_MIN;

	*verdict = (struct balloon_pressure_verdict){ .delay = BALLOON_PRESSURE_QUIET };

	if (sample->psi_known) {
		if (sample->psi_some >= BALLOON_PSI_SOME_SQUEEZED)
			memory->psi_windows++;
		else
			memory->psi_windows = 0;
	}

	verdict->squeezed = is_squeezed(sample, memory, used);
	verdict->uneasy = verdict->squeezed || sample->stalls ||
			  (sample->psi_known && sample->psi_some >= BALLOON_PSI_SOME_UNEASY);
	if (verdict->squeezed || soon)
		verdict->delay = BALLOON_PRESSURE_PERIOD;

	if (verdict->squeezed && sample->held) {
		if (soon)
			step = 2 * memory->step;
		if (sample->psi_known && sample->psi_full >= BALLOON_PSI_FULL_BAD)
			step *= 2;
		step = min(step, max(sample->ram / 16, STEP_MIN));
		memory->step = step;
		memory->at = sample->now;

		if (sample->spare + step < goal)
			step = goal - sample->spare;
		verdict->release = min(step, sample->held);
	}

	memory->expected = sample->spare + verdict->release;
	memory->sampled_at = sample->now;
}

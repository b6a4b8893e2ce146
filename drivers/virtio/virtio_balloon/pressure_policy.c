// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Judges samples of memory pressure.  Pure: see pressure_policy.h.
 *
 * There are two signs of need.  Both are about what the whole guest has left:
 *   - little is left that is free or cheap to free.  Page cache that can be
 *     dropped counts as left, so a guest that merely reads files is not in need;
 *   - tasks reclaim memory themselves, while not much more is left than inflation
 *     would leave.
 * A task that waits for memory is no sign by itself: in a container at its own limit
 * it does so beside gigabytes of free memory.
 *
 * The release fills the gap up to twice the reserve, because at the edge of the reserve
 * the next allocation would squeeze the guest again.  A need that grows faster than
 * releases follow each other makes them double, and what will be used up before
 * the next sample counts as used.
 */
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/sizes.h>

#include "pressure_policy.h"

#define STEP_MIN	((unsigned long)(SZ_16M >> PAGE_SHIFT))

/* Guest pages that will be gone by the next sample if the need goes on as it did. */
static unsigned long used_until_next(const struct vb_pressure_sample *sample,
				     const struct vb_pressure_memory *memory)
{
	unsigned long elapsed = max(sample->now - memory->sampled_at, 1UL);

	if (memory->expected <= sample->spare)
		return 0;
	return min((memory->expected - sample->spare) / elapsed * VB_PRESSURE_PERIOD,
		   sample->ram / 16);
}

static bool is_squeezed(const struct vb_pressure_sample *sample, unsigned long used)
{
	if (sample->spare < sample->reserve - sample->reserve / 4 + used)
		return true;
	return sample->stalls && sample->spare < 2 * sample->reserve;
}

/**
 * vb_pressure_judge() - does the guest need memory back?
 * @sample: the situation
 * @memory: of the sample before; updated
 * @verdict: filled in
 *
 * Context: Any; touches nothing but its arguments.
 */
void vb_pressure_judge(const struct vb_pressure_sample *sample,
		       struct vb_pressure_memory *memory,
		       struct vb_pressure_verdict *verdict)
{
	bool soon = memory->step &&
		    time_before(sample->now, memory->at + VB_PRESSURE_SOON);
	unsigned long used = soon ? used_until_next(sample, memory) : 0;
	unsigned long goal = 2 * sample->reserve + used;
	unsigned long step = STEP_MIN;

	*verdict = (struct vb_pressure_verdict){ };
	if (!soon)
		memory->step = 0;

	verdict->squeezed = is_squeezed(sample, used);
	verdict->uneasy = verdict->squeezed || sample->stalls;
	if (verdict->squeezed || soon)
		verdict->delay = VB_PRESSURE_PERIOD;

	if (verdict->squeezed && sample->held) {
		if (soon)
			step = 2 * memory->step;
		step = min(step, max(sample->ram / 16, STEP_MIN));
		memory->step = step;
		memory->at = sample->now;

		if (sample->spare + step < goal)
			step = goal - sample->spare;
		verdict->release = min(step, sample->held);
	}

	memory->expected = sample->spare;
	memory->sampled_at = sample->now;
}

/**
 * vb_pressure_got() - what came of a release
 * @memory: of the sample that asked for it
 * @got: guest pages that have come back.  What has not cannot have been used.
 *
 * Context: Any; touches nothing but its arguments.
 */
void vb_pressure_got(struct vb_pressure_memory *memory, unsigned long got)
{
	memory->expected += got;
}

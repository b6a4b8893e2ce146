/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whether the guest needs memory back from the balloon, and how much, as plain
 * arithmetic: no locks, no pages, no device.  pressure.c takes the samples and
 * carries out the verdict.
 */
#ifndef _DRIVERS_VIRTIO_BALLOON_PRESSURE_POLICY_H
#define _DRIVERS_VIRTIO_BALLOON_PRESSURE_POLICY_H

#include <linux/jiffies.h>
#include <linux/types.h>

/* Samples while pressure is on. */
#define VB_PRESSURE_PERIOD	(HZ / 20)

/* Releases closer together than this belong to one growing need. */
#define VB_PRESSURE_SOON	(HZ / 2)

/**
 * struct vb_pressure_sample - the guest's memory at one moment
 * @now: jiffies
 * @spare: guest pages that are free or cheap to free, and that tasks can have
 * @reserve: guest pages that inflation leaves of that
 * @ram: guest pages of RAM, those in the balloon included
 * @held: guest pages in the balloon
 * @stalls: direct reclaims since the last sample, the balloon's own not counted
 */
struct vb_pressure_sample {
	unsigned long now;
	unsigned long spare;
	unsigned long reserve;
	unsigned long ram;
	unsigned long held;
	unsigned int stalls;
};

/**
 * struct vb_pressure_memory - what the policy remembers
 * @step: guest pages of the last release, before it was cut to what is held; 0 if
 *	that was not soon before
 * @at: jiffies of the last release; valid if @step is not 0
 * @expected: guest pages that were spare after the last sample and what came back
 * @sampled_at: jiffies of the last sample
 */
struct vb_pressure_memory {
	unsigned long step;
	unsigned long at;
	unsigned long expected;
	unsigned long sampled_at;
};

/**
 * struct vb_pressure_verdict - what to do
 * @squeezed: the guest is short of memory
 * @uneasy: it is not, but it would be if the balloon took more
 * @release: guest pages to take out of the balloon now
 * @delay: jiffies until the next sample, 0 if only an event brings one
 */
struct vb_pressure_verdict {
	bool squeezed;
	bool uneasy;
	unsigned long release;
	unsigned long delay;
};

void vb_pressure_judge(const struct vb_pressure_sample *sample,
		       struct vb_pressure_memory *memory,
		       struct vb_pressure_verdict *verdict);
void vb_pressure_got(struct vb_pressure_memory *memory, unsigned long got);

#endif /* _DRIVERS_VIRTIO_BALLOON_PRESSURE_POLICY_H */

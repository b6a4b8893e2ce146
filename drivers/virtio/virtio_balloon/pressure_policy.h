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

/* Samples while pressure is on, and while all is quiet. */
#define BALLOON_PRESSURE_PERIOD		(HZ / 20)
#define BALLOON_PRESSURE_QUIET		(2 * HZ)

/* Releases closer together than this belong to one growing need. */
#define BALLOON_PRESSURE_SOON		(HZ / 2)

/*
 * Percent of a window of 2 s in which tasks waited for memory: a sign of need if it
 * is seen in so many windows on end; bad; and no time to inflate again.
 */
#define BALLOON_PSI_SOME_SQUEEZED	25
#define BALLOON_PSI_WINDOWS		2
#define BALLOON_PSI_FULL_BAD		10
#define BALLOON_PSI_SOME_UNEASY		5

/**
 * struct balloon_pressure_sample - the guest's memory at one moment
 * @now: jiffies
 * @spare: guest pages that are free or cheap to free, above the min watermarks
 * @reserve: guest pages that inflation leaves of that
 * @ram: guest pages of RAM, those in the balloon included
 * @held: guest pages in the balloon
 * @stalls: direct reclaims since the last sample, the balloon's own not counted
 * @psi_known: a window has just ended, the two below are its
 * @psi_some: percent of the window in which tasks waited
 * @psi_full: percent of the window in which all tasks waited
 */
struct balloon_pressure_sample {
	unsigned long now;
	unsigned long spare;
	unsigned long reserve;
	unsigned long ram;
	unsigned long held;
	unsigned int stalls;
	bool psi_known;
	unsigned int psi_some;
	unsigned int psi_full;
};

/**
 * struct balloon_pressure_memory - what the policy remembers
 * @step: guest pages of the last release, before it was cut to what is held
 * @at: jiffies of the last release; valid if @step is not 0
 * @expected: guest pages that were spare after the last sample and its release
 * @sampled_at: jiffies of the last sample
 * @psi_windows: windows on end in which tasks waited too long
 */
struct balloon_pressure_memory {
	unsigned long step;
	unsigned long at;
	unsigned long expected;
	unsigned long sampled_at;
	unsigned int psi_windows;
};

/**
 * struct balloon_pressure_verdict - what to do
 * @squeezed: the guest is short of memory
 * @uneasy: it is not, but it would be if the balloon took more
 * @release: guest pages to take out of the balloon now
 * @delay: jiffies until the next sample, unless an event comes first
 */
struct balloon_pressure_verdict {
	bool squeezed;
	bool uneasy;
	unsigned long release;
	unsigned long delay;
};

void balloon_pressure_judge(const struct balloon_pressure_sample *sample,
			    struct balloon_pressure_memory *memory,
			    struct balloon_pressure_verdict *verdict);

#endif /* _DRIVERS_VIRTIO_BALLOON_PRESSURE_POLICY_H */

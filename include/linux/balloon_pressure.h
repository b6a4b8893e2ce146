/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Memory pressure as a balloon driver needs to see it: early, cheaply and from a
 * module as well.
 */
#ifndef _LINUX_BALLOON_PRESSURE_H
#define _LINUX_BALLOON_PRESSURE_H

#include <linux/list.h>
#include <linux/types.h>

enum balloon_pressure_event {
	/* An allocation found free memory below the low watermark. */
	BALLOON_PRESSURE_LOW,
	/* A task has to reclaim memory itself before its allocation can go on. */
	BALLOON_PRESSURE_STALL,
};

/**
 * struct balloon_pressure_watch - one who wants to know
 * @notify: called at each event, in the context of the allocation: any context,
 *	with any locks held.  It may count, look at current and queue irq_work, no
 *	more.
 * @node: the sensor's
 */
struct balloon_pressure_watch {
	void (*notify)(struct balloon_pressure_watch *watch,
		       enum balloon_pressure_event event);
	struct list_head node;
};

int balloon_pressure_register(struct balloon_pressure_watch *watch);
void balloon_pressure_unregister(struct balloon_pressure_watch *watch);
bool balloon_pressure_psi(u64 *some_us, u64 *full_us);

#endif /* _LINUX_BALLOON_PRESSURE_H */

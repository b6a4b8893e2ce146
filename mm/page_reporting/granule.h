/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The record of one granule: what it is, and since when.
 *
 * Pure: no locks, no pages.  A record is one u32:
 *
 *	bits 0-1	kind
 *	bits 2-31	stamp: jiffies when the granule became of this kind
 *
 * Stamps wrap after 2^30 jiffies.  An age is valid up to half of that, 6 days at
 * HZ=1000.  An older granule counts as new: it waits once more, nothing else.
 * The other half is for stamps that another CPU made after we looked at the
 * clock.
 */
#ifndef _MM_PAGE_REPORTING_GRANULE_H
#define _MM_PAGE_REPORTING_GRANULE_H

#include <linux/jiffies.h>
#include <linux/types.h>

/**
 * enum granule_kind - what is known of a granule
 * @GRANULE_NONE: in use, in part at least, or nothing worth reporting
 * @GRANULE_DIRTY: freed since the host last took it; to be reported when cold
 * @GRANULE_REPORTED: the host has it, or is about to; not allocated since
 * @NR_GRANULE_KINDS: how many kinds there are
 */
enum granule_kind {
	GRANULE_NONE,
	GRANULE_DIRTY,
	GRANULE_REPORTED,
	NR_GRANULE_KINDS,
};

#define GRANULE_KIND_MASK	0x3u
#define GRANULE_STAMP_SHIFT	2
#define GRANULE_STAMP_MASK	(U32_MAX >> GRANULE_STAMP_SHIFT)
#define GRANULE_AGE_MAX		(GRANULE_STAMP_MASK / 2)
/* The age of memory that was free before the first look. */
#define GRANULE_LONG_AGO	(30 * HZ)

static inline u32 granule_make(enum granule_kind kind, unsigned long stamp)
{
	return kind | (u32)stamp << GRANULE_STAMP_SHIFT;
}

static inline enum granule_kind granule_kind(u32 granule)
{
	return granule & GRANULE_KIND_MASK;
}

/* Jiffies since the granule became what it is, at most GRANULE_AGE_MAX. */
static inline unsigned long granule_age(u32 granule, unsigned long now)
{
	u32 age = ((u32)now - (granule >> GRANULE_STAMP_SHIFT)) & GRANULE_STAMP_MASK;

	return age <= GRANULE_AGE_MAX ? age : 0;
}

#endif /* _MM_PAGE_REPORTING_GRANULE_H */

/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The granule map: what is known of free memory, by address.
 *
 * A record may be changed by the allocator's hooks, under the lock of the zone; by
 * whoever has taken the pages of the granule off the free lists; with memory
 * hotplug held off, by whoever holds the lock of the zone; and where memory is not
 * online, by the memory notifier and by a pass.
 */
#ifndef _MM_PAGE_REPORTING_MAP_H
#define _MM_PAGE_REPORTING_MAP_H

#include <linux/atomic.h>
#include <linux/cache.h>
#include <linux/mmzone.h>
#include <linux/rcupdate.h>

#include "granule.h"

#ifdef CONFIG_SPARSEMEM
#define FPR_SECTION_SHIFT	PFN_SECTION_SHIFT
#else
#define FPR_SECTION_SHIFT	(MAX_PAGE_ORDER + 5)
#endif
#define FPR_SECTION_PAGES	BIT(FPR_SECTION_SHIFT)

/**
 * struct granule_table - the granules of one memory section
 * @dirty: one bit a granule: of kind GRANULE_DIRTY
 * @granule: the records; apart, because their size alone is one that is allocated
 *	without a rest
 */
struct granule_table {
	unsigned long *dirty;
	u32 *granule;
};

/**
 * struct granule_map - all granules of one order
 * @order: order of a granule
 * @nr_sections: sections that the map can have
 * @dirty: one bit a section: its table may have dirty bits
 * @nr: granules of each kind, GRANULE_NONE not counted
 * @table: tables of the sections that are online
 */
struct granule_map {
	unsigned int order;
	unsigned long nr_sections;
	unsigned long *dirty;
	atomic_long_t nr[NR_GRANULE_KINDS] ____cacheline_aligned_in_smp;
	struct granule_table __rcu *table[] ____cacheline_aligned_in_smp;
};

/**
 * struct granule_range - some granules of one section
 * @map: their map
 * @table: the section's table
 * @section: the section's number
 * @first: index of the first of them
 * @nr: how many
 */
struct granule_range {
	struct granule_map *map;
	struct granule_table *table;
	unsigned long section;
	unsigned long first;
	unsigned long nr;
};

struct granule_map *fpr_map_rcu(void);
struct granule_map *fpr_map(void);
struct granule_table *fpr_map_table(struct granule_map *map, unsigned long section);
bool fpr_map_range(struct granule_map *map, unsigned long pfn, unsigned int order,
		   struct granule_range *range);
unsigned long fpr_range_set(const struct granule_range *range, u32 granule);
void fpr_map_set(unsigned long pfn, unsigned int order, enum granule_kind kind);
unsigned long fpr_map_pages(enum granule_kind kind);
int fpr_map_replace(unsigned int order);
void fpr_map_drop(void);
void fpr_map_forget(void);

static inline unsigned long granules_in_section(const struct granule_map *map)
{
	return FPR_SECTION_PAGES >> map->order;
}

static inline unsigned long granule_index(const struct granule_map *map,
					  unsigned long pfn)
{
	return (pfn & (FPR_SECTION_PAGES - 1)) >> map->order;
}

#endif /* _MM_PAGE_REPORTING_MAP_H */

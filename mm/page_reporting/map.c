// SPDX-License-Identifier: GPL-2.0
/*
 * The granule map: what is known of free memory, by address.
 *
 * One table for every online memory section, so that a large hotplug window
 * costs a pointer a section.  The allocator's hooks run under the lock of the
 * zone and see the map under RCU; where there is no table they do nothing.
 */
#include <linux/bitmap.h>
#include <linux/init.h>
#include <linux/jiffies.h>
#include <linux/memblock.h>
#include <linux/memory.h>
#include <linux/memory_hotplug.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include "../page_reporting.h"
#include "map.h"
#include "state.h"

/* Granules made dirty under one hold of a zone's lock. */
#define FORGET_GRANULES		1024

/* What the hooks compare with before they call.  The order of the map decides. */
unsigned int page_reporting_granule_order __read_mostly = MAX_PAGE_ORDER + 1;

/*
 * Replaced under fpr_pass_lock with memory hotplug held off, or by the memory
 * notifier, which runs with the hotplug lock held for writing.
 */
static struct granule_map __rcu *the_map;

/* The memory notifier runs. */
static bool memory_changing;

#define map_is_stable()	(lockdep_is_held(&fpr_pass_lock) || memory_changing)

/* Building and freeing */

static void table_free(struct granule_table *table)
{
	if (!table)
		return;
	bitmap_free(table->dirty);
	kvfree(table->granule);
	kfree(table);
}

static struct granule_table *table_alloc(const struct granule_map *map)
{
	unsigned long nr = granules_in_section(map);
	struct granule_table *table;

	table = kzalloc_obj(*table, GFP_KERNEL);
	if (!table)
		return NULL;
	table->dirty = bitmap_zalloc(nr, GFP_KERNEL);
	table->granule = kvcalloc(nr, sizeof(*table->granule), GFP_KERNEL);
	if (!table->dirty || !table->granule) {
		table_free(table);
		return NULL;
	}
	return table;
}

static void map_free(struct granule_map *map)
{
	unsigned long section;

	if (!map)
		return;
	/* Nobody else sees it any more. */
	for (section = 0; section < map->nr_sections; section++)
		table_free(rcu_dereference_protected(map->table[section], true));
	bitmap_free(map->dirty);
	kvfree(map);
}

static struct granule_map *map_alloc(unsigned int order, unsigned long nr_sections)
{
	struct granule_map *map;

	map = kvzalloc(struct_size(map, table, nr_sections), GFP_KERNEL);
	if (!map)
		return NULL;
	map->dirty = bitmap_zalloc(nr_sections, GFP_KERNEL);
	if (!map->dirty) {
		kvfree(map);
		return NULL;
	}
	map->order = order;
	map->nr_sections = nr_sections;
	return map;
}

/* Records */

/* Two zones may share a word of bits, each with a lock of its own. */
static void bits_assign(unsigned long *bits, unsigned long first, unsigned long nr,
			bool value)
{
	unsigned long end = first + nr;

	while (first < end) {
		atomic_long_t *word = (atomic_long_t *)&bits[BIT_WORD(first)];
		unsigned long next = min(end, round_down(first, BITS_PER_LONG) + BITS_PER_LONG);
		unsigned long mask = BITMAP_FIRST_WORD_MASK(first) &
				     BITMAP_LAST_WORD_MASK(next);

		if (value)
			atomic_long_or(mask, word);
		else
			atomic_long_andnot(mask, word);
		first = next;
	}
}

/**
 * fpr_range_set() - change records
 * @range: of which granules
 * @granule: what each is from now on
 *
 * Context: Any; see the head of map.h for who may.
 * Return: How many were of another kind before.
 */
unsigned long fpr_range_set(const struct granule_range *range, u32 granule)
{
	enum granule_kind is = granule_kind(granule);
	unsigned long was[NR_GRANULE_KINDS] = {}, i;
	struct granule_table *table = range->table;
	struct granule_map *map = range->map;
	enum granule_kind kind;

	for (i = range->first; i < range->first + range->nr; i++) {
		was[granule_kind(table->granule[i])]++;
		WRITE_ONCE(table->granule[i], granule);
	}
	if (was[is] == range->nr)
		return 0;

	for (kind = GRANULE_DIRTY; kind < NR_GRANULE_KINDS; kind++)
		if (kind != is && was[kind])
			atomic_long_sub(was[kind], &map->nr[kind]);
	if (is != GRANULE_NONE)
		atomic_long_add(range->nr - was[is], &map->nr[is]);

	if (is == GRANULE_DIRTY) {
		bits_assign(table->dirty, range->first, range->nr, true);
		/* A pass clears the section's bit before it looks at tables. */
		smp_mb();
		if (!test_bit(range->section, map->dirty))
			set_bit(range->section, map->dirty);
	} else if (was[GRANULE_DIRTY]) {
		bits_assign(table->dirty, range->first, range->nr, false);
	}
	return range->nr - was[is];
}

/**
 * fpr_map_range() - the granules of a block of memory
 * @map: the map
 * @pfn: first page frame of the block
 * @order: order of the block; a smaller block is within one granule
 * @range: the answer
 *
 * Context: Under rcu_read_lock(), or as fpr_map_table().
 * Return: true, or false where memory is not online or not known.
 */
bool fpr_map_range(struct granule_map *map, unsigned long pfn, unsigned int order,
		   struct granule_range *range)
{
	range->map = map;
	range->section = pfn >> FPR_SECTION_SHIFT;
	if (unlikely(!map || range->section >= map->nr_sections))
		return false;
	range->table = rcu_dereference_check(map->table[range->section],
					     map_is_stable());
	range->first = granule_index(map, pfn);
	range->nr = order > map->order ? 1UL << (order - map->order) : 1;
	return range->table;
}

/**
 * fpr_map_set() - change what is known of a block of memory
 * @pfn: first page frame of the block
 * @order: order of the block
 * @kind: what its granules are from now on
 *
 * Context: As fpr_range_set(); the block is off the free lists.
 */
void fpr_map_set(unsigned long pfn, unsigned int order, enum granule_kind kind)
{
	struct granule_range range;

	rcu_read_lock();
	if (fpr_map_range(fpr_map_rcu(), pfn, order, &range))
		fpr_range_set(&range, granule_make(kind, jiffies));
	rcu_read_unlock();
}

/**
 * fpr_map_pages() - how much memory is of a kind
 * @kind: any but GRANULE_NONE
 *
 * What is dirty may be in use: see the model in main.c.
 *
 * Context: Any.
 * Return: Pages.
 */
unsigned long fpr_map_pages(enum granule_kind kind)
{
	struct granule_map *map;
	unsigned long nr = 0;

	rcu_read_lock();
	map = fpr_map_rcu();
	if (map)
		nr = atomic_long_read(&map->nr[kind]) << map->order;
	rcu_read_unlock();
	return nr;
}

/* The map as a whole */

/**
 * fpr_map_rcu() - the map as hooks see it
 *
 * Context: Under rcu_read_lock().
 * Return: The map, or NULL.
 */
struct granule_map *fpr_map_rcu(void)
{
	return rcu_dereference(the_map);
}

/**
 * fpr_map() - the map as a pass sees it
 *
 * Context: Under fpr_pass_lock with memory hotplug held off, and valid as long.
 * Return: The map, or NULL.
 */
struct granule_map *fpr_map(void)
{
	return rcu_dereference_protected(the_map, map_is_stable());
}

/**
 * fpr_map_table() - the table of a section
 * @map: the map
 * @section: number of the section, at most @map->nr_sections - 1
 *
 * Context: Under fpr_pass_lock with memory hotplug held off.
 * Return: The table, or NULL where memory is not online.
 */
struct granule_table *fpr_map_table(struct granule_map *map, unsigned long section)
{
	return rcu_dereference_protected(map->table[section], map_is_stable());
}

/* The zone of a range's first granule; NULL if that is not online. */
static struct zone *range_zone(const struct granule_range *range)
{
	struct page *page = pfn_to_online_page((range->section << FPR_SECTION_SHIFT) +
					       (range->first << range->map->order));

	return page ? page_zone(page) : NULL;
}

/* Make granules dirty up to @end or the end of the zone, one after the other. */
static void range_forget(struct granule_range *range, struct zone *zone,
			 unsigned long end)
{
	/* When they were freed is unknown; treat it as long ago. */
	u32 dirty = granule_make(GRANULE_DIRTY, jiffies - GRANULE_LONG_AGO);
	unsigned long flags;

	spin_lock_irqsave(&zone->lock, flags);
	for (; range->first < end && range_zone(range) == zone; range->first++)
		fpr_range_set(range, dirty);
	spin_unlock_irqrestore(&zone->lock, flags);
}

/* A pass will find out whether granules are in use.  Hooks may run meanwhile. */
static void section_forget(struct granule_map *map, unsigned long section)
{
	struct granule_range range = {
		.map = map,
		.section = section,
		.table = fpr_map_table(map, section),
		.nr = 1,
	};
	unsigned long nr = granules_in_section(map);

	while (range.table && range.first < nr) {
		struct zone *zone = range_zone(&range);

		if (zone)
			range_forget(&range, zone, min(nr, range.first + FORGET_GRANULES));
		else
			range.first++;
		cond_resched();
	}
}

/* No hook sees the table yet, or its memory is not online yet. */
static void table_set_dirty(struct granule_map *map, unsigned long section,
			    struct granule_table *table)
{
	struct granule_range range = {
		.map = map,
		.table = table,
		.section = section,
		.nr = granules_in_section(map),
	};

	fpr_range_set(&range, granule_make(GRANULE_DIRTY, jiffies - GRANULE_LONG_AGO));
}

static bool section_online(unsigned long section)
{
#ifdef CONFIG_SPARSEMEM
	return online_section_nr(section);
#else
	unsigned long pfn = section << FPR_SECTION_SHIFT, end = pfn + FPR_SECTION_PAGES;

	for (; pfn < end; pfn += pageblock_nr_pages)
		if (pfn_valid(pfn))
			return true;
	return false;
#endif
}

/* The caller keeps memory from going on- and offline. */
static struct granule_map *map_build(unsigned int order)
{
	unsigned long max = max_t(unsigned long, max_pfn, max_possible_pfn);
	struct granule_map *map;
	unsigned long section;

	map = map_alloc(order, DIV_ROUND_UP(max, FPR_SECTION_PAGES));
	if (!map)
		return NULL;
	for (section = 0; section < map->nr_sections; section++) {
		struct granule_table *table;

		if (!section_online(section))
			continue;
		table = table_alloc(map);
		if (!table) {
			map_free(map);
			return NULL;
		}
		table_set_dirty(map, section, table);
		RCU_INIT_POINTER(map->table[section], table);
		cond_resched();
	}
	return map;
}

static void map_publish(struct granule_map *map)
{
	struct granule_map *old = fpr_map();

	rcu_assign_pointer(the_map, map);
	WRITE_ONCE(page_reporting_granule_order, map ? map->order : MAX_PAGE_ORDER + 1);
	if (old) {
		synchronize_rcu();
		map_free(old);
	}
}

/**
 * fpr_map_replace() - start over with granules of another order
 * @order: order of a granule
 *
 * All memory is dirty in the new map.
 *
 * Context: May sleep.  The caller holds fpr_pass_lock.
 * Return: 0, or -ENOMEM and the map is what it was.
 */
int fpr_map_replace(unsigned int order)
{
	struct granule_map *map;

	lockdep_assert_held(&fpr_pass_lock);
	get_online_mems();
	map = map_build(order);
	if (map)
		map_publish(map);
	put_online_mems();
	return map ? 0 : -ENOMEM;
}

/**
 * fpr_map_drop() - forget everything and keep no map
 *
 * Context: May sleep.  The caller holds fpr_pass_lock.
 */
void fpr_map_drop(void)
{
	lockdep_assert_held(&fpr_pass_lock);
	get_online_mems();
	map_publish(NULL);
	put_online_mems();
}

/**
 * fpr_map_forget() - make all memory dirty
 *
 * For when the host may have backed again what it once took: after hibernation,
 * a restore, a dump.
 *
 * Context: May sleep.  The caller holds fpr_pass_lock, and nothing is in flight.
 */
void fpr_map_forget(void)
{
	struct granule_map *map;
	unsigned long section;

	lockdep_assert_held(&fpr_pass_lock);
	get_online_mems();
	map = fpr_map();
	for (section = 0; map && section < map->nr_sections; section++)
		section_forget(map, section);
	put_online_mems();
}

/* Memory that goes on- and offline */

/* A window beyond what the firmware announced: the map grows. */
static int map_grow(unsigned long nr_sections)
{
	struct granule_map *old = fpr_map(), *map;
	unsigned long section;

	if (nr_sections <= old->nr_sections)
		return 0;
	map = map_alloc(old->order, nr_sections);
	if (!map)
		return -ENOMEM;
	/* Until each table is back, hooks find none; all is dirty then anyway. */
	rcu_assign_pointer(the_map, map);
	synchronize_rcu();
	for (section = 0; section < old->nr_sections; section++) {
		struct granule_table *table = fpr_map_table(old, section);

		if (!table)
			continue;
		RCU_INIT_POINTER(old->table[section], NULL);
		memset(table->granule, 0,
		       granules_in_section(map) * sizeof(table->granule[0]));
		bitmap_zero(table->dirty, granules_in_section(map));
		table_set_dirty(map, section, table);
		rcu_assign_pointer(map->table[section], table);
	}
	map_free(old);
	return 0;
}

static void sections_drop(struct granule_map *map, unsigned long first,
			  unsigned long last)
{
	for (; first <= last && first < map->nr_sections; first++) {
		struct granule_range range = {
			.map = map,
			.table = fpr_map_table(map, first),
			.section = first,
			.nr = granules_in_section(map),
		};

		if (!range.table)
			continue;
		fpr_range_set(&range, granule_make(GRANULE_NONE, 0));
		RCU_INIT_POINTER(map->table[first], NULL);
		synchronize_rcu();
		table_free(range.table);
	}
}

static int memory_changed(struct notifier_block *nb, unsigned long action, void *arg)
{
	struct memory_notify *range = arg;
	unsigned long first = range->start_pfn >> FPR_SECTION_SHIFT;
	unsigned long last = (range->start_pfn + range->nr_pages - 1) >> FPR_SECTION_SHIFT;
	struct granule_map *map;

	memory_changing = true;
	map = fpr_map();
	if (!map)
		goto out;

	switch (action) {
	case MEM_GOING_ONLINE:
		/* Without a table the memory works, and is not reported. */
		if (map_grow(last + 1))
			break;
		map = fpr_map();
		for (; first <= last; first++)
			if (!fpr_map_table(map, first))
				rcu_assign_pointer(map->table[first], table_alloc(map));
		break;
	case MEM_OFFLINE:
	case MEM_CANCEL_ONLINE:
		sections_drop(map, first, last);
		break;
	}
out:
	memory_changing = false;
	return NOTIFY_OK;
}

static int __init map_init(void)
{
	return hotplug_memory_notifier(memory_changed, DEFAULT_CALLBACK_PRI);
}
subsys_initcall(map_init);

// SPDX-License-Identifier: GPL-2.0
/*
 * The granule map: what is known of free memory, by address.
 *
 * One table for every online memory section, so that a large hotplug window
 * costs a pointer a section.  The allocator's hooks run under the lock of the
 * zone and see the map under RCU; where there is no table they do nothing.
 */
#include <linux/bitmap.h>
#include <linux/jiffies.h>
#include <linux/memblock.h>
#include <linux/memory.h>
#include <linux/memory_hotplug.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include <trace/events/page_reporting.h>

#include "../page_reporting.h"
#include "internal.h"
#include "policy.h"

/* What the hooks compare with before they call; the map's own order decides. */
unsigned int page_reporting_granule_order __read_mostly = MAX_PAGE_ORDER + 1;

/*
 * Replaced under get_online_mems() and reporting_pass_lock, or by the memory notifier,
 * which runs with the hotplug lock held for writing.
 */
static struct granule_map __rcu *the_map;

/* The task whose frees were really made long ago: it drains per-CPU lists. */
static struct task_struct *backdater;
/* How long ago, in jiffies. */
static unsigned long backdated_by;

/* Of a map that cannot change: see the_map. */
static struct granule_map *map_locked(void)
{
	return rcu_dereference_protected(the_map, true);
}

static void table_free(struct granule_table *table)
{
	if (!table)
		return;
	bitmap_free(table->dirty);
	kfree(table->seen);
	kvfree(table);
}

static struct granule_table *table_alloc(const struct granule_map *map, int nid)
{
	unsigned long nr = granules_in_section(map);
	struct granule_table *table;

	table = kvzalloc_node(struct_size(table, granule, nr), GFP_KERNEL, nid);
	if (!table)
		return NULL;
	table->dirty = bitmap_zalloc_node(nr, GFP_KERNEL, nid);
	table->seen = kcalloc_node(REPORTING_SECTION_PAGES >> pageblock_order,
				   sizeof(table->seen[0]), GFP_KERNEL, nid);
	if (!table->dirty || !table->seen) {
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
	spin_lock_init(&map->heat_lock);
	map->order = order;
	map->nr_sections = nr_sections;
	return map;
}

/*
 * Change one record.  The exchange makes the counts exact even where
 * granule_map_forget() races with a hook.
 */
static u32 record_set(struct granule_map *map, struct granule_table *table,
		      unsigned long section, unsigned long i, u32 new)
{
	u32 old = xchg(&table->granule[i], new);
	enum granule_kind was = granule_kind(old), is = granule_kind(new);

	if (was == is)
		return old;
	if (was != GRANULE_NONE)
		atomic_long_dec(&map->nr[was]);
	if (is != GRANULE_NONE)
		atomic_long_inc(&map->nr[is]);
	if (is == GRANULE_DIRTY) {
		set_bit(i, table->dirty);
		/* A pass clears the section's bit before it looks at tables. */
		smp_mb__after_atomic();
		if (!test_bit(section, map->dirty))
			set_bit(section, map->dirty);
	} else if (was == GRANULE_DIRTY) {
		clear_bit(i, table->dirty);
	}
	return old;
}

/* Nobody knows when it was freed: long ago. */
static void table_set_dirty(struct granule_map *map, unsigned long section,
			    struct granule_table *table)
{
	unsigned long i;

	for (i = 0; i < granules_in_section(map); i++)
		record_set(map, table, section, i,
			   granule_make(GRANULE_DIRTY, 0, jiffies - HEAT_COLD));
}

static bool section_online(unsigned long section)
{
#ifdef CONFIG_SPARSEMEM
	return online_section_nr(section);
#else
	return pfn_valid(section << REPORTING_SECTION_SHIFT);
#endif
}

/* The caller keeps memory from going on- and offline. */
static struct granule_map *map_build(unsigned int order)
{
	unsigned long max = max_t(unsigned long, max_pfn, max_possible_pfn);
	struct granule_map *map;
	unsigned long section;

	map = map_alloc(order, DIV_ROUND_UP(max, REPORTING_SECTION_PAGES));
	if (!map)
		return NULL;
	for (section = 0; section < map->nr_sections; section++) {
		struct granule_table *table;

		if (!section_online(section))
			continue;
		table = table_alloc(map, NUMA_NO_NODE);
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
	struct granule_map *old = map_locked();

	rcu_assign_pointer(the_map, map);
	WRITE_ONCE(page_reporting_granule_order,
		   map ? map->order : MAX_PAGE_ORDER + 1);
	if (old) {
		synchronize_rcu();
		map_free(old);
	}
}

/**
 * granule_map_replace - start over with granules of another order
 * @order: order of a granule
 *
 * All memory is dirty in the new map.
 *
 * Context: May sleep.  The caller holds reporting_pass_lock.
 * Return: 0, or -ENOMEM and the map is what it was.
 */
int granule_map_replace(unsigned int order)
{
	struct granule_map *map;

	get_online_mems();
	map = map_build(order);
	if (map)
		map_publish(map);
	put_online_mems();
	return map ? 0 : -ENOMEM;
}

/**
 * granule_map_drop - forget everything and keep no map
 *
 * Context: May sleep.  The caller holds reporting_pass_lock.
 */
void granule_map_drop(void)
{
	get_online_mems();
	map_publish(NULL);
	put_online_mems();
}

/**
 * granule_map_forget - make all memory dirty
 *
 * For when the host may have a different idea of what it has: after
 * hibernation all that was in the image is backed again.
 *
 * Context: May sleep.  The caller holds reporting_pass_lock, and nothing is in flight.
 */
void granule_map_forget(void)
{
	struct granule_map *map;
	unsigned long section;

	get_online_mems();
	map = map_locked();
	for (section = 0; map && section < map->nr_sections; section++) {
		struct granule_table *table = granule_map_table(map, section);

		if (table)
			table_set_dirty(map, section, table);
	}
	put_online_mems();
}

/**
 * granule_map_get - the map as a pass may use it
 *
 * Context: Under get_online_mems(), and valid as long.
 * Return: The map, or NULL.
 */
struct granule_map *granule_map_get(void)
{
	return map_locked();
}

/**
 * granule_map_table - the table of a section
 * @map: the map
 * @section: number of the section, at most @map->nr_sections - 1
 *
 * Context: Under get_online_mems() or rcu_read_lock().
 * Return: The table, or NULL where memory is not online.
 */
struct granule_table *granule_map_table(struct granule_map *map,
					unsigned long section)
{
	return rcu_dereference_protected(map->table[section], true);
}

/* As granule_map_table(), but of any page frame. */
static struct granule_table *table_of(struct granule_map *map, unsigned long pfn,
				      unsigned long *section)
{
	*section = pfn >> REPORTING_SECTION_SHIFT;
	if (unlikely(*section >= map->nr_sections))
		return NULL;
	return rcu_dereference(map->table[*section]);
}

/**
 * granule_set - change what is known of one granule
 * @map: the map
 * @pfn: a page frame in it
 * @kind: what it is from now on; its heat stays
 *
 * Context: Under get_online_mems() and the zone's lock.
 */
void granule_set(struct granule_map *map, unsigned long pfn,
		 enum granule_kind kind)
{
	unsigned long section = pfn >> REPORTING_SECTION_SHIFT;
	struct granule_table *table = granule_map_table(map, section);
	unsigned long i = granule_index(map, pfn);

	record_set(map, table, section, i,
		   granule_make(kind, granule_heat(table->granule[i]), jiffies));
}

/**
 * granule_set_range - change what is known of the granules of a block
 * @pfn: first page frame of the block
 * @order: order of the block
 * @kind: what they are from now on; their heat stays
 *
 * Context: Under the zone's lock.  The map may have been replaced since the
 * block was isolated: granules that the block does not fill are left alone.
 */
void granule_set_range(unsigned long pfn, unsigned int order,
		       enum granule_kind kind)
{
	unsigned long end = pfn + (1UL << order), section;
	struct granule_table *table;
	struct granule_map *map;

	rcu_read_lock();
	map = rcu_dereference(the_map);
	table = map && order >= map->order ? table_of(map, pfn, &section) : NULL;
	for (; table && pfn < end; pfn += 1UL << map->order) {
		unsigned long i = granule_index(map, pfn);
		u32 old = table->granule[i];

		record_set(map, table, section, i,
			   granule_make(kind, granule_heat(old), jiffies));
	}
	rcu_read_unlock();
}

/**
 * granule_map_heat - remember a report, to know memory that is needed again soon
 * @nr: granules in it, without those that had been free for HEAT_COLD
 * @waited: how long they had been free on average, in jiffies
 *
 * Context: Any but under zone->lock.
 */
void granule_map_heat(unsigned long nr, unsigned long waited)
{
	struct granule_map *map;
	unsigned long flags;

	rcu_read_lock();
	map = rcu_dereference(the_map);
	if (map) {
		spin_lock_irqsave(&map->heat_lock, flags);
		heat_reported(&map->heat, nr, waited, jiffies);
		spin_unlock_irqrestore(&map->heat_lock, flags);
	}
	rcu_read_unlock();
}

/**
 * granule_map_pages - how much memory is of a kind
 * @kind: any but GRANULE_NONE
 *
 * What is dirty may be in use: see the model in internal.h.
 *
 * Context: Any.
 * Return: Pages.
 */
unsigned long granule_map_pages(enum granule_kind kind)
{
	struct granule_map *map;
	unsigned long nr = 0;

	rcu_read_lock();
	map = rcu_dereference(the_map);
	if (map)
		nr = atomic_long_read(&map->nr[kind]) << map->order;
	rcu_read_unlock();
	return nr;
}

/**
 * granule_map_backdate - this task frees what others freed before
 * @by: from now on, so long ago at least, in jiffies; 0: no longer
 *
 * Pages on per-CPU lists have been free for some time when they are drained.
 * What the calling task frees meanwhile is due at once, if it is not hot.
 *
 * Context: One task at a time.
 */
void granule_map_backdate(unsigned long by)
{
	backdated_by = by;
	WRITE_ONCE(backdater, by ? current : NULL);
}

/* The heat of a granule that becomes free, and since when it counts as that. */
static unsigned int take_heat(struct granule_map *map, unsigned long now,
			      unsigned long *since)
{
	unsigned int heat;

	*since = now;
	if (likely(!READ_ONCE(map->heat.nr)))
		return 0;
	spin_lock(&map->heat_lock);
	heat = heat_freed(&map->heat, now, reporting_delay(), since);
	spin_unlock(&map->heat_lock);
	return heat;
}

/*
 * A granule is being allocated: learn from it.  Evacuation does so without the
 * zone's lock, and with interrupts on, in which memory can be freed.
 */
static void learn(struct granule_map *map, unsigned long pfn, u32 granule,
		  unsigned long now)
{
	unsigned int level = granule_heat(granule);
	unsigned long flags;
	long nr_dirty;
	bool soon;

	if (granule_kind(granule) == GRANULE_REPORTED) {
		nr_dirty = atomic_long_read(&map->nr[GRANULE_DIRTY]);
		spin_lock_irqsave(&map->heat_lock, flags);
		soon = heat_reused(&map->heat, nr_dirty, now, reporting_delay());
		spin_unlock_irqrestore(&map->heat_lock, flags);
		trace_page_reporting_reuse(pfn, map->order, granule_age(granule, now),
					   level, soon);
		stat_add(STAT_REUSED, 1);
		stat_add(STAT_REUSED_SOON, soon);
		/* One that the host still backs would have done. */
		stat_add(STAT_REUSED_AVOIDABLE, !!nr_dirty);
	} else if (unlikely(level)) {
		spin_lock_irqsave(&map->heat_lock, flags);
		heat_kept(&map->heat, level, now);
		spin_unlock_irqrestore(&map->heat_lock, flags);
	}
}

/*
 * Called under zone->lock by page_reporting_freed().  Only notes state: waking
 * the worker from here goes through an interrupt, see reporting_wake().
 */
void __page_reporting_freed(unsigned long pfn, unsigned int order,
			    unsigned int merged_order)
{
	unsigned long now = jiffies, section, i, last;
	struct granule_table *table;
	struct granule_map *map;

	rcu_read_lock();
	map = rcu_dereference(the_map);
	if (!map || merged_order < map->order)
		goto out;
	table = table_of(map, pfn, &section);
	if (!table)
		goto out;

	i = granule_index(map, pfn);
	last = granule_index(map, pfn + (1UL << order) - 1);
	for (; i <= last; i++) {
		unsigned long since;
		unsigned int heat = take_heat(map, now, &since);

		if (!heat && unlikely(READ_ONCE(backdater) == current))
			since = now - max(backdated_by, policy_delay(reporting_delay(), 0));
		record_set(map, table, section, i,
			   granule_make(GRANULE_DIRTY, heat, since));
	}
	reporting_wake(atomic_long_read(&map->nr[GRANULE_DIRTY]) << map->order);
out:
	rcu_read_unlock();
}

/* Called under zone->lock by page_reporting_taken(). */
void __page_reporting_taken(unsigned long pfn, unsigned int order)
{
	unsigned long now = jiffies, section, i, last;
	struct granule_table *table;
	struct granule_map *map;

	rcu_read_lock();
	map = rcu_dereference(the_map);
	table = map ? table_of(map, pfn, &section) : NULL;
	if (!table)
		goto out;

	i = granule_index(map, pfn);
	last = granule_index(map, pfn + (1UL << order) - 1);
	for (; i <= last; i++) {
		u32 old = table->granule[i];

		if (granule_kind(old) == GRANULE_NONE)
			continue;
		learn(map, (section << REPORTING_SECTION_SHIFT) + (i << map->order),
		      old, now);
		record_set(map, table, section, i, granule_make(GRANULE_NONE, 0, now));
	}
out:
	rcu_read_unlock();
}

/* A window beyond what the firmware announced: the map grows. */
static int map_grow(unsigned long nr_sections)
{
	struct granule_map *old = map_locked(), *map;
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
		struct granule_table *table = granule_map_table(old, section);

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
		struct granule_table *table = granule_map_table(map, first);
		unsigned long i;

		if (!table)
			continue;
		for (i = 0; i < granules_in_section(map); i++)
			record_set(map, table, first, i, 0);
		RCU_INIT_POINTER(map->table[first], NULL);
		synchronize_rcu();
		table_free(table);
	}
}

static int memory_changed(struct notifier_block *nb, unsigned long action, void *arg)
{
	struct memory_notify *range = arg;
	unsigned long first = range->start_pfn >> REPORTING_SECTION_SHIFT;
	unsigned long last = (range->start_pfn + range->nr_pages - 1) >>
			     REPORTING_SECTION_SHIFT;
	struct granule_map *map = map_locked();

	if (!map)
		return NOTIFY_OK;

	switch (action) {
	case MEM_GOING_ONLINE:
		/* Without a table the memory works, and is never reported. */
		if (map_grow(last + 1))
			return NOTIFY_OK;
		map = map_locked();
		for (; first <= last; first++)
			if (!granule_map_table(map, first))
				rcu_assign_pointer(map->table[first],
						   table_alloc(map, NUMA_NO_NODE));
		break;
	case MEM_OFFLINE:
	case MEM_CANCEL_ONLINE:
		sections_drop(map, first, last);
		break;
	}
	return NOTIFY_OK;
}

/**
 * granule_map_init - follow memory that goes on- and offline
 *
 * Context: Once, at boot.
 * Return: 0, or what the notifier chain said.
 */
int __init granule_map_init(void)
{
	return hotplug_memory_notifier(memory_changed, DEFAULT_CALLBACK_PRI);
}

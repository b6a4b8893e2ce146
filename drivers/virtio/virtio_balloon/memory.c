// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * How much memory the guest can spare.  Estimates only: no page is touched here.
 *
 * What counts is what the guest's tasks can have.  Free pages below a zone's
 * min watermark and its lowmem_reserve are refused to them, and on a guest of 64 GiB
 * that is more than a reserve of fixed size: such pages are not spare.
 */
#include <linux/mm.h>
#include <linux/mmzone.h>
#include <linux/nodemask.h>
#include <linux/sizes.h>
#include <linux/swapfile.h>
#include <linux/vmstat.h>

#include "balloon.h"

/*
 * Spare memory that the balloon leaves alone: a share of the RAM, larger where there
 * is no way back, and limits.
 */
#define RESERVE_SHARE_LENT	64
#define RESERVE_SHARE		32
#define RESERVE_MIN		(SZ_4M >> PAGE_SHIFT)
#define RESERVE_MAX		(SZ_128M >> PAGE_SHIFT)

/* Pages that are free in the zone and that a task's allocation may take. */
static unsigned long zone_free(struct zone *zone)
{
	unsigned long nr_free = zone_page_state(zone, NR_FREE_PAGES);
	unsigned long keep;

	keep = min_wmark_pages(zone) + zone->lowmem_reserve[gfp_zone(GFP_HIGHUSER_MOVABLE)] +
	       READ_ONCE(zone->nr_reserved_highatomic);
	return nr_free > keep ? nr_free - keep : 0;
}

/* Like node_page_state_pages(), which modules cannot call.  Slab counts in pages, too. */
static unsigned long node_pages(const struct pglist_data *pgdat, enum node_stat_item item)
{
	return max(atomic_long_read(&pgdat->vm_stat[item]), 0L);
}

/**
 * vb_node_spare() - memory of a node that is free or cheap to free
 * @nid: an online node
 *
 * Free pages that tasks can have, and page cache and slab objects that can be
 * dropped.  Some of what is in use will be needed again, so only half counts.
 *
 * Context: Any.
 * Return: guest pages.
 */
unsigned long vb_node_spare(int nid)
{
	struct pglist_data *pgdat = NODE_DATA(nid);
	unsigned long spare;
	struct zone *zone;

	spare = node_pages(pgdat, NR_INACTIVE_FILE) +
		node_pages(pgdat, NR_ACTIVE_FILE) / 2 +
		node_pages(pgdat, NR_SLAB_RECLAIMABLE_B) / 2;
	/* Pages that do not move cannot be taken from ZONE_MOVABLE. */
	for (zone = pgdat->node_zones; zone <= pgdat->node_zones + gfp_zone(VB_GFP); zone++)
		if (managed_zone(zone))
			spare += zone_free(zone);
	return spare;
}

/**
 * vb_spare() - memory of the guest that is free or cheap to free
 *
 * Swap is not part of it, see vb_swap_spare().
 *
 * Context: Any.
 * Return: guest pages.
 */
unsigned long vb_spare(void)
{
	unsigned long spare = 0;
	int nid;

	for_each_node_state(nid, N_MEMORY)
		spare += vb_node_spare(nid);
	return spare;
}

/**
 * vb_swap_spare() - free swap that is not itself memory of the guest
 *
 * Swap in zram or on a RAM disk costs memory with every page that goes there.
 *
 * Context: Any but interrupts.
 * Return: guest pages.
 */
unsigned long vb_swap_spare(void)
{
	return max(get_nr_disk_swap_pages(), 0L);
}

/**
 * vb_reserve() - how much of vb_spare() inflation leaves to the guest
 * @vb: the balloon
 *
 * Without it an impossible target would take the last free page, and the next
 * allocation by anybody would call the OOM killer.
 *
 * Context: Any.
 * Return: guest pages.
 */
unsigned long vb_reserve(struct virtio_balloon *vb)
{
	bool lent = vb_may_deflate_on_oom(vb);

	return clamp_t(unsigned long, vb_ram(vb) / (lent ? RESERVE_SHARE_LENT : RESERVE_SHARE),
		       RESERVE_MIN, RESERVE_MAX);
}

/**
 * vb_ram() - the guest's RAM, what is in the balloon included
 * @vb: the balloon
 *
 * Context: Any.
 * Return: guest pages.
 */
unsigned long vb_ram(struct virtio_balloon *vb)
{
	unsigned long ram = totalram_pages();

	if (!vb_may_deflate_on_oom(vb))
		ram += atomic_long_read(&vb->nr_pages);
	return ram;
}

/* How much of what can be reclaimed MemAvailable counts; low: the low watermarks of all zones. */
static unsigned long reclaim_counts(unsigned long reclaimable, unsigned long low)
{
	return reclaimable - min(reclaimable / 2, low);
}

static unsigned long low_watermarks(void)
{
	unsigned long sum = 0;
	struct zone *zone;
	int nid;

	for_each_node_state(nid, N_MEMORY) {
		struct zone *zones = NODE_DATA(nid)->node_zones;

		for (zone = zones; zone < zones + MAX_NR_ZONES; zone++)
			if (managed_zone(zone))
				sum += low_wmark_pages(zone);
	}
	return sum;
}

/**
 * vb_available() - memory that is available, without what is in the balloon
 * @vb: the balloon
 *
 * MemAvailable counts the balloon as reclaimable if pressure takes it back.  The guest
 * may count on that memory, but the host must not: it has it already.
 *
 * Context: Any.
 * Return: guest pages.
 */
unsigned long vb_available(struct virtio_balloon *vb)
{
	unsigned long available = si_mem_available(), reclaimable, low, part;

	if (!vb->reclaimable)
		return available;
	reclaimable = global_node_page_state_pages(NR_SLAB_RECLAIMABLE_B) +
		      global_node_page_state(NR_KERNEL_MISC_RECLAIMABLE);
	part = min_t(unsigned long, reclaimable, atomic_long_read(&vb->nr_pages));
	low = low_watermarks();
	part = reclaim_counts(reclaimable, low) - reclaim_counts(reclaimable - part, low);
	return available - min(available, part);
}

/**
 * vb_free_above_high() - free memory beyond what keeps reclaim asleep
 * @gfp: the zones that an allocation with these flags may use count
 *
 * What ZONE_MOVABLE has is no help to the kernel: who takes pages that do not move must
 * not count it.
 *
 * Context: Any.
 * Return: guest pages; negative if some zones lack more than others have.
 */
long vb_free_above_high(gfp_t gfp)
{
	unsigned long keep;
	struct zone *zone;
	long sum = 0;
	int nid;

	for_each_node_state(nid, N_MEMORY) {
		struct zone *zones = NODE_DATA(nid)->node_zones;

		for (zone = zones; zone <= zones + gfp_zone(gfp); zone++) {
			if (!managed_zone(zone))
				continue;
			keep = high_wmark_pages(zone) +
			       zone->lowmem_reserve[gfp_zone(GFP_HIGHUSER_MOVABLE)];
			/* What a zone keeps for others is not missing anywhere else. */
			sum += (long)zone_page_state(zone, NR_FREE_PAGES) -
			       (long)min(keep, zone_managed_pages(zone));
		}
	}
	return sum;
}

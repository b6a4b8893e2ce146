// SPDX-License-Identifier: GPL-2.0
/*
 * Emptying one unit, which the caller has isolated.
 *
 * All its pages are taken off the LRU lists, and they are moved only if none is missing.
 * Nothing here waits: pages are migrated in asynchronous mode and without recursion into
 * I/O or file systems, so a locked page or buffer stays where it is.  Nothing is written
 * back or dropped.  Large folios move into holes of their size, so that migration has no
 * reason to split them.
 */
#include <linux/gfp.h>
#include <linux/list.h>
#include <linux/migrate.h>
#include <linux/mm.h>
#include <linux/sched/mm.h>

#include "../internal.h"
#include "../page_alloc.h"
#include "evacuate_look.h"
#include "evacuate_policy.h"
#include "evacuate_targets.h"
#include "evacuate_unit.h"

/* Take all pages of an isolated unit off the LRU lists, or find out why not. */
static enum fpr_left unit_collect(const struct evacuate_targets *targets,
				  unsigned long start, struct compact_control *cc)
{
	unsigned long pfn = start, end = start + EVACUATE_UNIT_PAGES;
	unsigned int need[NR_PAGE_ORDERS] = {}, nr_folios = 0;
	struct folio *folio, *next;

	while (pfn < end) {
		cc->nr_migratepages = 0;
		cc->migrate_pfn = end;
		if (isolate_migratepages_range(cc, pfn, end))
			return FPR_LEFT_RACED;
		pfn = cc->migrate_pfn;
	}

	list_for_each_entry_safe(folio, next, &cc->migratepages, lru) {
		enum fpr_left left = FPR_LEFT_NOTHING;

		if (!page_has_movable_ops(folio_page(folio, 0)))
			left = fpr_folio_left(folio);
		if (left)
			return left;
		nr_folios++;
		need[folio_order(folio)]++;
		/* The largest first: none of their holes goes to the smaller ones. */
		if (folio_test_large(folio))
			list_move(&folio->lru, &cc->migratepages);
	}
	if (!fpr_evacuate_fits(targets->nr, need))
		return FPR_LEFT_NO_TARGET;
	return fpr_unit_in_use(start) > nr_folios ? FPR_LEFT_RACED : FPR_LEFT_NOTHING;
}

/* Why are these still here? */
static enum fpr_left folios_left(struct list_head *folios)
{
	enum fpr_left left = FPR_LEFT_NOTHING;
	struct folio *folio;

	list_for_each_entry(folio, folios, lru) {
		left = page_has_movable_ops(folio_page(folio, 0)) ? FPR_LEFT_UNMOVABLE :
								   fpr_folio_left(folio);
		if (left)
			break;
	}
	return left ?: FPR_LEFT_RACED;
}

/**
 * fpr_unit_empty() - move all pages out of an isolated unit
 * @pfn: first page frame of the unit
 * @zone: its zone
 * @targets: what to move them to
 * @left: set to why the unit is not whole afterwards
 * @begun: set to whether any page was tried
 *
 * Context: Process context; waits for no page, device or file system.
 * Return: How many pages moved.
 */
unsigned int fpr_unit_empty(unsigned long pfn, struct zone *zone,
			    struct evacuate_targets *targets, enum fpr_left *left,
			    bool *begun)
{
	struct compact_control cc = {
		.order = -1,
		.zone = zone,
		.mode = MIGRATE_ASYNC,
		.ignore_skip_hint = true,
		.no_set_skip_hint = true,
		/* Not to be allocated with: pages of files are skipped without. */
		.gfp_mask = GFP_KERNEL,
	};
	unsigned int flags, moved = 0;

	INIT_LIST_HEAD(&cc.migratepages);
	*left = unit_collect(targets, pfn, &cc);
	*begun = !*left;
	if (*begun) {
		flags = memalloc_noio_save();
		if (!list_empty(&cc.migratepages))
			migrate_pages(&cc.migratepages, fpr_target_alloc, fpr_target_free,
				      (unsigned long)targets, cc.mode, MR_COMPACTION, &moved);
		memalloc_noio_restore(flags);
		if (!list_empty(&cc.migratepages))
			*left = folios_left(&cc.migratepages);
	}
	if (!list_empty(&cc.migratepages))
		putback_movable_pages(&cc.migratepages);

	/* What was freed before the unit was isolated may lie on a per-CPU list. */
	if (!*left && !fpr_unit_is_free(pfn))
		drain_all_pages(zone);
	if (!*left && !fpr_unit_is_free(pfn))
		*left = FPR_LEFT_RACED;
	return moved;
}

// SPDX-License-Identifier: GPL-2.0
/*
 * Can a unit be emptied?  What keeps it, and how much of it is free.
 *
 * Units are looked at without locks, and pages mostly without a reference: whatever is
 * read may be old, and a page may become anything meanwhile.
 */
#include <linux/buffer_head.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/page-flags.h>
#include <linux/page-isolation.h>
#include <linux/pagemap.h>

#include "../internal.h"
#include "../page_alloc.h"
#include "evacuate_look.h"
#include "evacuate_policy.h"

/**
 * fpr_type_is_ordinary() - may pages be moved from a pageblock, or into its holes?
 * @page: any of its pages
 *
 * Context: Any.
 * Return: false if it is a reserve, or isolated.
 */
bool fpr_type_is_ordinary(struct page *page)
{
	return get_pageblock_migratetype(page) < MIGRATE_PCPTYPES;
}

/*
 * Does a file system hold on to the buffers of a locked folio in its page cache?
 * A journal does so until its next commits, be that in seconds or in hours, and
 * no mode of migration moves them until then.
 */
static enum fpr_left buffers_left(struct folio *folio)
{
#ifdef CONFIG_BUFFER_HEAD
	struct address_space *mapping = folio_mapping(folio);
	bool norefs = mapping->a_ops->migrate_folio == buffer_migrate_folio_norefs;
	enum fpr_left left = FPR_LEFT_NOTHING;
	struct buffer_head *head, *bh;

	/* Private data of other file systems are no buffers. */
	if (!norefs && mapping->a_ops->migrate_folio != buffer_migrate_folio)
		return FPR_LEFT_NOTHING;
	head = folio_buffers(folio);
	if (!head)
		return FPR_LEFT_NOTHING;
	bh = head;
	spin_lock(&mapping->i_private_lock);
	do {
		if (norefs && atomic_read(&bh->b_count))
			left = FPR_LEFT_METADATA;
		else if (buffer_locked(bh) && !left)
			left = FPR_LEFT_LOCKED;
		bh = bh->b_this_page;
	} while (bh != head);
	spin_unlock(&mapping->i_private_lock);
	return left;
#else
	return FPR_LEFT_NOTHING;
#endif
}

/**
 * fpr_folio_left() - can a folio be moved at once?
 * @folio: the folio; the caller has a reference to it, and the LRU lists have none
 *
 * Exact, except for what happens after the look.
 *
 * Context: Any that may take a spinlock; waits for no folio's lock.
 * Return: FPR_LEFT_NOTHING if so, else why not.
 */
enum fpr_left fpr_folio_left(struct folio *folio)
{
	struct address_space *mapping;
	enum fpr_left left;

	if (folio_test_writeback(folio))
		return FPR_LEFT_LOCKED;
	if (folio_test_large(folio) && folio_order(folio) > 1 &&
	    folio_test_partially_mapped(folio))
		/* Migration would split it. */
		return FPR_LEFT_UNMOVABLE;
	if (folio_ref_count(folio) != folio_expected_ref_count(folio) + 1)
		return FPR_LEFT_PINNED;
	if (!folio_trylock(folio))
		return FPR_LEFT_LOCKED;
	left = FPR_LEFT_NOTHING;
	mapping = folio_mapping(folio);
	if (folio_test_anon(folio) || folio_test_swapcache(folio))
		left = FPR_LEFT_NOTHING;
	else if (!mapping)
		left = FPR_LEFT_RACED;
	else if (!mapping->a_ops->migrate_folio && folio_test_private(folio))
		left = FPR_LEFT_UNMOVABLE;
	else if (!mapping->a_ops->migrate_folio && folio_test_dirty(folio))
		left = FPR_LEFT_UNMOVABLE;
	else if (folio_test_private(folio))
		left = buffers_left(folio);
	folio_unlock(folio);
	return left;
}

/* A page whose private data only a look with a reference and a lock can judge. */
static enum fpr_left doubtful_left(struct page *page)
{
	struct folio *folio = page_folio(page);
	enum fpr_left left = FPR_LEFT_RACED;

	if (!folio_try_get(folio))
		return FPR_LEFT_RACED;
	if (page_folio(page) == folio && folio_test_lru(folio))
		left = fpr_folio_left(folio);
	folio_put(folio);
	return left;
}

/* References that an unlocked folio on an LRU list should have, if it is of this order. */
static int expected_refs(const struct folio *folio, unsigned long flags, unsigned int order)
{
	unsigned long mapping = (unsigned long)READ_ONCE(folio->mapping);
	unsigned long nr = 1UL << order;
	int refs = 1 + (flags & BIT(PG_head) ? atomic_read(&folio->_large_mapcount) :
					       atomic_read(&folio->_mapcount));

	if (flags & BIT(PG_swapbacked) && flags & BIT(PG_swapcache))
		refs += nr;
	if (!(mapping & FOLIO_MAPPING_ANON)) {
		refs += mapping ? nr : 0;
		refs += !!(flags & BIT(PG_private));
	}
	return refs;
}

/*
 * A page that was seen on an LRU list: how many pages it stands for, and whether
 * they can be moved at once.  Without a reference: flags are read raw, as the
 * page may become anything meanwhile.
 */
static unsigned int lru_page_look(struct page *page, enum fpr_left *left)
{
	struct folio *folio = page_folio(page);
	unsigned long flags = READ_ONCE(*(unsigned long *)&folio->flags);
	unsigned int order = compound_order((struct page *)folio);

	/* A huge page is whole as it is. */
	if (order >= EVACUATE_UNIT_ORDER) {
		*left = FPR_LEFT_UNMOVABLE;
		return 0;
	}
	if (flags & (BIT(PG_unevictable) | BIT(PG_mlocked)))
		*left = FPR_LEFT_UNMOVABLE;
	else if (flags & (BIT(PG_writeback) | BIT(PG_locked)))
		*left = FPR_LEFT_LOCKED;
	else if (folio_ref_count(folio) > expected_refs(folio, flags, order))
		*left = FPR_LEFT_PINNED;
	else if (flags & BIT(PG_private))
		*left = doubtful_left(page);
	return (1U << order) - min_t(unsigned int, folio_page_idx(folio, page), (1U << order) - 1);
}

/**
 * fpr_unit_is_free() - is a unit, or the larger block that it is a part of, free?
 * @start: first page frame of the unit
 *
 * Context: Any.  Without zone->lock a guess.
 * Return: true if so.
 */
bool fpr_unit_is_free(unsigned long start)
{
	unsigned int order;

	for (order = EVACUATE_UNIT_ORDER; order <= MAX_PAGE_ORDER; order++) {
		struct page *head = pfn_to_page(ALIGN_DOWN(start, 1UL << order));

		if (PageBuddy(head) && buddy_order_unsafe(head) >= order)
			return true;
	}
	return false;
}

/*
 * Is a page that is not on the free lists in use?  Slabs have a type and need no
 * references.
 */
static bool page_in_use(struct page *page)
{
	return page_ref_count(page) || page_has_type(page);
}

/**
 * fpr_unit_look() - look at a unit that is in use in part
 * @start: first page frame of the unit
 * @nr_free: set to how many of its pages are free
 * @looked: raised by how many page frames were touched
 *
 * Without locks: a good guess.
 *
 * Context: Process context.  Its struct pages must stay.
 * Return: FPR_LEFT_NOTHING if it can be emptied now, else why not.
 */
enum fpr_left fpr_unit_look(unsigned long start, u16 *nr_free, unsigned long *looked)
{
	enum fpr_left left = FPR_LEFT_NOTHING;
	unsigned int i = 0;

	*nr_free = 0;
	while (i < EVACUATE_UNIT_PAGES) {
		struct page *page = pfn_to_page(start + i);
		enum fpr_left why = FPR_LEFT_NOTHING;
		unsigned int nr = 1;

		(*looked)++;
		if (PageBuddy(page)) {
			nr = 1 << min_t(unsigned int, buddy_order_unsafe(page),
					EVACUATE_UNIT_ORDER);
			*nr_free += min_t(unsigned int, nr, EVACUATE_UNIT_PAGES - i);
		} else if (PageLRU(page)) {
			/* Pages are costly to judge, and one that stays is enough. */
			if (left)
				nr = 1;
			else
				nr = lru_page_look(page, &why);
			if (!nr)
				return FPR_LEFT_UNMOVABLE;
		} else if (page_has_movable_ops(page) && !PageOffline(page)) {
			/* Compressed swap; not a balloon's, which two requests move. */
		} else if (page_in_use(page) || PageReserved(page) || PageHWPoison(page)) {
			/* The kernel's own, or not on an LRU list yet. */
			why = FPR_LEFT_UNMOVABLE;
		}
		/* A page that is neither is on its way to the free lists. */
		if (!left)
			left = why;
		i += nr;
	}
	return left;
}

/**
 * fpr_unit_in_use() - how many pages of a unit are in use
 * @start: first page frame of the unit
 *
 * Context: Any.  Without zone->lock a guess.
 * Return: That; a folio counts as one.
 */
unsigned int fpr_unit_in_use(unsigned long start)
{
	unsigned int i = 0, nr = 0;

	while (i < EVACUATE_UNIT_PAGES) {
		struct page *page = pfn_to_page(start + i);

		if (PageBuddy(page)) {
			i += 1U << min_t(unsigned int, buddy_order_unsafe(page),
					 EVACUATE_UNIT_ORDER);
			continue;
		}
		nr += page_in_use(page);
		i++;
	}
	return nr;
}

/* SPDX-License-Identifier: GPL-2.0 */
/*
 * For Linux 6.12 and older: what mm/page_reporting/ and drivers/virtio/virtio_balloon/ take
 * for granted and these kernels lack, or call otherwise.
 *
 * The sources are written for the newest kernel; the makefiles of both directories
 * include this before everything else.
 */
#ifndef _COMPAT_6_12_H
#define _COMPAT_6_12_H

#include <linux/mm.h>
#include <linux/page-isolation.h>
#include <linux/vmstat.h>

#define FOLIO_MAPPING_ANON	PAGE_MAPPING_ANON

static inline bool page_has_movable_ops(const struct page *page)
{
	return __PageMovable((struct page *)page);
}

#define isolate_movable_ops_page	isolate_movable_page

/* Only what is movable is isolated by page reporting. */
#define start_isolate_page_range(start, end, mode) \
	start_isolate_page_range(start, end, MIGRATE_MOVABLE, 0, GFP_KERNEL)
#define undo_isolate_page_range(start, end) \
	undo_isolate_page_range(start, end, MIGRATE_MOVABLE)

/*
 * Scanned and reclaimed pages are events here, not statistics of nodes: as numbers
 * both look alike.
 */
#define COMPAT_EVENT		0x10000
#define PGSCAN_KSWAPD		(COMPAT_EVENT + PGSCAN_KSWAPD)
#define PGSCAN_DIRECT		(COMPAT_EVENT + PGSCAN_DIRECT)
#define PGSTEAL_KSWAPD		(COMPAT_EVENT + PGSTEAL_KSWAPD)
#define PGSTEAL_DIRECT		(COMPAT_EVENT + PGSTEAL_DIRECT)

static inline unsigned long compat_node_page_state(int item)
{
#ifdef CONFIG_VM_EVENT_COUNTERS
	unsigned long events[NR_VM_EVENT_ITEMS];

	if (item >= COMPAT_EVENT) {
		all_vm_events(events);
		return events[item - COMPAT_EVENT];
	}
#endif
	return global_node_page_state(item);
}
#define global_node_page_state	compat_node_page_state

#endif /* _COMPAT_6_12_H */

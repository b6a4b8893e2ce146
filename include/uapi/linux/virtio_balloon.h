/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The wire format of the virtio memory balloon (virtio 1.2, section 5.5), for
 * drivers and devices alike.
 *
 * Queues, numbered densely over those that are negotiated: inflate, deflate,
 * statistics (STATS_VQ), free page hints (FREE_PAGE_HINT), reporting (REPORTING).
 */
#ifndef _LINUX_VIRTIO_BALLOON_H
#define _LINUX_VIRTIO_BALLOON_H

#include <linux/types.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_types.h>

/* Feature bits */

/* The host has to acknowledge a deflate request before its pages are used. */
#define VIRTIO_BALLOON_F_MUST_TELL_HOST	0
/* There is a queue for memory statistics. */
#define VIRTIO_BALLOON_F_STATS_VQ	1
/* The guest may take pages back, whatever the target, when it runs short. */
#define VIRTIO_BALLOON_F_DEFLATE_ON_OOM	2
/* There is a queue for hints about free pages, for live migration. */
#define VIRTIO_BALLOON_F_FREE_PAGE_HINT	3
/* The guest tells in poison_val what it expects in pages that come back. */
#define VIRTIO_BALLOON_F_PAGE_POISON	4
/* There is a queue on which the guest reports free pages. */
#define VIRTIO_BALLOON_F_REPORTING	5

/* Page frame numbers and counts are in units of 1 << VIRTIO_BALLOON_PFN_SHIFT. */
#define VIRTIO_BALLOON_PFN_SHIFT	12

/* Command ids that start no new round of hints; larger ones do. */
#define VIRTIO_BALLOON_CMD_ID_STOP	0	/* send no more hints */
#define VIRTIO_BALLOON_CMD_ID_DONE	1	/* all hinted pages may be used again */

/* Config space; little-endian on legacy transports, too. */
struct virtio_balloon_config {
	__le32 num_pages;	/* written by the host: pages it wants in the balloon */
	__le32 actual;		/* written by the guest: pages that are in it */
	/* Written by the host: what to do about hints.  The other name is older. */
	union {
		__le32 free_page_hint_cmd_id;
		__le32 free_page_report_cmd_id;
	};
	__le32 poison_val;	/* written by the guest before DRIVER_OK */
};

/* Statistics: tags.  Memory is in bytes, the rest are counts since boot. */
#define VIRTIO_BALLOON_S_SWAP_IN	0	/* read back from swap */
#define VIRTIO_BALLOON_S_SWAP_OUT	1	/* written to swap */
#define VIRTIO_BALLOON_S_MAJFLT		2	/* page faults that needed I/O */
#define VIRTIO_BALLOON_S_MINFLT		3	/* page faults, all of them on Linux */
#define VIRTIO_BALLOON_S_MEMFREE	4	/* free memory */
#define VIRTIO_BALLOON_S_MEMTOT		5	/* memory the guest has in all */
#define VIRTIO_BALLOON_S_AVAIL		6	/* MemAvailable of /proc/meminfo */
#define VIRTIO_BALLOON_S_CACHES		7	/* file cache */
#define VIRTIO_BALLOON_S_HTLB_PGALLOC	8	/* huge pages allocated */
#define VIRTIO_BALLOON_S_HTLB_PGFAIL	9	/* huge pages that could not be */
#define VIRTIO_BALLOON_S_OOM_KILL	10	/* tasks the OOM killer ended */
#define VIRTIO_BALLOON_S_ALLOC_STALL	11	/* allocations that had to reclaim */
#define VIRTIO_BALLOON_S_ASYNC_SCAN	12	/* scanned by background reclaim */
#define VIRTIO_BALLOON_S_DIRECT_SCAN	13	/* scanned by allocating tasks */
#define VIRTIO_BALLOON_S_ASYNC_RECLAIM	14	/* reclaimed in the background */
#define VIRTIO_BALLOON_S_DIRECT_RECLAIM	15	/* reclaimed by allocating tasks */
#define VIRTIO_BALLOON_S_NR		16

/* The tags' names as hosts print them, in the order of the tags. */
#define VIRTIO_BALLOON_S_NAMES_WITH_PREFIX(prefix) {	\
	prefix "swap-in",				\
	prefix "swap-out",				\
	prefix "major-faults",				\
	prefix "minor-faults",				\
	prefix "free-memory",				\
	prefix "total-memory",				\
	prefix "available-memory",			\
	prefix "disk-caches",				\
	prefix "hugetlb-allocations",			\
	prefix "hugetlb-failures",			\
	prefix "oom-kills",				\
	prefix "alloc-stalls",				\
	prefix "async-scans",				\
	prefix "direct-scans",				\
	prefix "async-reclaims",			\
	prefix "direct-reclaims"			\
}

#define VIRTIO_BALLOON_S_NAMES	VIRTIO_BALLOON_S_NAMES_WITH_PREFIX("")

/* One entry of the statistics buffer: 10 bytes, without padding, for ever. */
struct virtio_balloon_stat {
	__virtio16 tag;
	__virtio64 val;
} __attribute__((packed));

#endif /* _LINUX_VIRTIO_BALLOON_H */

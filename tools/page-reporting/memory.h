/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What /proc says of the guest's memory.  All in bytes. */
#ifndef PAGE_REPORTING_MEMORY_H
#define PAGE_REPORTING_MEMORY_H

#include <stdbool.h>

#include "number.h"

enum meminfo {
	MEM_TOTAL,
	MEM_FREE,
	MEM_AVAILABLE,
	BUFFERS,
	CACHED,
	SWAP_CACHED,
	SHMEM,
	ANON,
	SLAB_RECLAIMABLE,
	SLAB_UNRECLAIMABLE,
	PAGE_TABLES,
	SEC_PAGE_TABLES,
	KERNEL_STACK,
	PER_CPU,
	HUGETLB,
	NR_MEMINFO
};

#define MAX_ZONES 256

struct zone {
	unsigned int node;
	char name[16];
	uint64_t small;		/* free in blocks smaller than a granule */
	uint64_t whole;		/* and in larger ones */
	struct number free;
	struct number high;	/* the high watermark */
	uint64_t cma;		/* of "free": in areas for contiguous allocation */
	uint64_t reserve;	/* kept from allocations that another zone can serve */
	uint64_t per_cpu;	/* free, on lists of the CPUs */
};

struct memory {
	struct number info[NR_MEMINFO];
	bool blocks_known;	/* small and whole are */
	unsigned int nr_zones;
	struct zone zone[MAX_ZONES];
	uint64_t small;		/* sums over zones */
	uint64_t whole;
	uint64_t per_cpu;
};

void memory_read(struct memory *memory, uint64_t granule, uint64_t page_size);

#endif

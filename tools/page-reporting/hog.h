/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Real-time tasks that never sleep: the kernel cannot ask their CPU for anything. */
#ifndef PAGE_REPORTING_HOG_H
#define PAGE_REPORTING_HOG_H

#include <stdbool.h>
#include <stdint.h>

#define MAX_HOGS 64

/* A real-time task, and the CPU time that it has used, in clock ticks. */
struct hog {
	int tid;
	char name[64];
	unsigned int cpu;
	uint64_t ticks;
};

struct hogs {
	unsigned int nr;
	struct hog hog[MAX_HOGS];
};

void hogs_read(struct hogs *hogs);
const struct hog *hogs_find(const struct hogs *first, const struct hogs *last, uint64_t ms);

#endif

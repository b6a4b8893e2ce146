/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The kernel's page reporting: its counters and knobs. */
#ifndef PAGE_REPORTING_ENGINE_H
#define PAGE_REPORTING_ENGINE_H

#include <stdbool.h>

#include "number.h"

#define FLUSH_FILE	"/proc/sys/vm/page_reporting_flush"
#define FLUSH_MS_MAX	600000
/* Flags of the second number that is written there. */
#define FLUSH_EVACUATE	1u
#define FLUSH_RESYNC	2u

enum counter {
	REPORTED_BYTES_TOTAL,
	REPORTED_BYTES,
	DIRTY_BYTES,
	IN_FLIGHT_BYTES,
	REQUESTS,
	ELEMENTS,
	HOST_US,
	REQUEST_LIMIT_BYTES,
	REUSED,
	REUSED_SOON,
	REUSED_AVOIDABLE,
	ERRORS,
	STALLS,
	TIGHT,
	PASSES,
	DRAINS,
	LAST_PASS_US,
	FLUSHES,
	LAST_FLUSH_US,
	LAST_FLUSH_LEFT_BYTES,
	RESYNCS,
	STRANDED_BYTES,
	BLOCKED_BYTES,
	EVACUATED,
	EVACUATE_FAILED,
	EVACUATE_MOVED_PAGES,
	EVACUATE_CPU_US,
	EVACUATE_LEFT_UNMOVABLE,	/* the reasons follow each other */
	EVACUATE_LEFT_METADATA,
	EVACUATE_LEFT_PINNED,
	EVACUATE_LEFT_LOCKED,
	EVACUATE_LEFT_NO_TARGET,
	EVACUATE_LEFT_RACED,
	NR_COUNTERS
};

struct counter_info {
	const char *name;
	const char *meaning;
};

extern const struct counter_info counter_info[NR_COUNTERS];

/* Counters that the table above does not have: a newer kernel's. */
#define MAX_EXTRA	32
#define COUNTER_NAME_MAX 64

struct extra_counter {
	char name[COUNTER_NAME_MAX];
	struct number value;
};

enum engine_kind {
	ENGINE_NONE,		/* a kernel without free page reporting */
	ENGINE_UPSTREAM,	/* reports, but has neither counters nor flush */
	ENGINE_FULL,
};

extern const char *const engine_names[];

struct engine {
	enum engine_kind kind;
	bool present[NR_COUNTERS];	/* the file exists, whatever is in it */
	struct number counter[NR_COUNTERS];
	struct extra_counter extra[MAX_EXTRA];
	unsigned int nr_extra;
	struct number order;
	struct number delay_ms;
	struct number threshold_bytes;
	struct number evacuate;
	struct number pause;
};

void engine_read(struct engine *engine);
uint64_t engine_granule(const struct engine *engine, uint64_t page_size);

#endif

// SPDX-License-Identifier: GPL-2.0-or-later
/* Reads the counters and knobs of the kernel's page reporting. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine.h"
#include "sysfile.h"

#define COUNTERS	"/sys/kernel/mm/page_reporting"
#define PARAMETERS	"/sys/module/page_reporting/parameters"
#define SYSCTLS		"/proc/sys/vm/page_reporting"

const struct counter_info counter_info[NR_COUNTERS] = {
	[REPORTED_BYTES_TOTAL] = { "reported_bytes_total", "reported since boot" },
	[REPORTED_BYTES] = { "reported_bytes", "reported, not allocated since" },
	[DIRTY_BYTES] = { "dirty_bytes", "to be reported or looked at; may be in use" },
	[IN_FLIGHT_BYTES] = { "in_flight_bytes", "at the host at this moment" },
	[REQUESTS] = { "requests", "sent to the host" },
	[ELEMENTS] = { "elements", "ranges in them" },
	[HOST_US] = { "host_us", "that the host took for all requests" },
	[REQUEST_LIMIT_BYTES] = { "request_limit_bytes", "at most in one request, now" },
	[REUSED] = { "reused", "granules allocated after their report" },
	[REUSED_SOON] = { "reused_soon", "of these, within 5 s of the report of as much" },
	[REUSED_AVOIDABLE] = { "reused_avoidable", "of \"reused\", while others were free" },
	[ERRORS] = { "errors", "requests that the device refused" },
	[STALLS] = { "stalls", "requests without an answer for 5 s" },
	[TIGHT] = { "tight", "times that a zone had too little to spare" },
	[PASSES] = { "passes", "looks for what to report" },
	[DRAINS] = { "drains", "of the per-CPU lists" },
	[LAST_PASS_US] = { "last_pass_us", "duration of the last pass" },
	[FLUSHES] = { "flushes", "that have been made" },
	[LAST_FLUSH_US] = { "last_flush_us", "duration of the last flush" },
	[LAST_FLUSH_LEFT_BYTES] = { "last_flush_left_bytes", "passed over by the last flush" },
	[RESYNCS] = { "resyncs", "times that all memory was reported again" },
	[STRANDED_BYTES] = { "stranded_bytes", "free in pieces of units, at the last look" },
	[BLOCKED_BYTES] = { "blocked_bytes", "of that, in units that cannot be emptied" },
	[EVACUATED] = { "evacuated", "units made whole" },
	[EVACUATE_FAILED] = { "evacuate_failed", "units begun and not made whole" },
	[EVACUATE_MOVED_PAGES] = { "evacuate_moved_pages", "moved for that" },
	[EVACUATE_CPU_US] = { "evacuate_cpu_us", "CPU time of evacuation" },
	[EVACUATE_LEFT_UNMOVABLE] = { "evacuate_left_unmovable", "units left: kernel or locked memory" },
	[EVACUATE_LEFT_METADATA] = { "evacuate_left_metadata", "units left: buffers of a file system" },
	[EVACUATE_LEFT_PINNED] = { "evacuate_left_pinned", "units left: pages that are referenced" },
	[EVACUATE_LEFT_LOCKED] = { "evacuate_left_locked", "units left: pages locked or written" },
	[EVACUATE_LEFT_NO_TARGET] = { "evacuate_left_no_target", "units left: no room elsewhere" },
	[EVACUATE_LEFT_RACED] = { "evacuate_left_raced", "units left: changed meanwhile" },
};

const char *const engine_names[] = {
	[ENGINE_NONE] = "none",
	[ENGINE_UPSTREAM] = "upstream",
	[ENGINE_FULL] = "full",
};

static bool in_table(const char *name)
{
	unsigned int i;

	for (i = 0; i < NR_COUNTERS; i++)
		if (!strcmp(name, counter_info[i].name))
			return true;
	return false;
}

static void read_extra(struct engine *engine)
{
	DIR *dir = sysfile_dir(COUNTERS);
	struct dirent *entry;

	if (!dir)
		return;
	while (engine->nr_extra < MAX_EXTRA && (entry = readdir(dir))) {
		struct extra_counter *extra = &engine->extra[engine->nr_extra];

		if (entry->d_name[0] == '.' || in_table(entry->d_name) ||
		    strlen(entry->d_name) >= sizeof(extra->name))
			continue;
		strcpy(extra->name, entry->d_name);
		extra->value = sysfile_number(COUNTERS "/%s", entry->d_name);
		engine->nr_extra++;
	}
	closedir(dir);
}

void engine_read(struct engine *engine)
{
	unsigned int i;

	memset(engine, 0, sizeof(*engine));
	if (sysfile_exists(COUNTERS) || sysfile_exists(FLUSH_FILE))
		engine->kind = ENGINE_FULL;
	else if (sysfile_exists(PARAMETERS))
		engine->kind = ENGINE_UPSTREAM;

	for (i = 0; i < NR_COUNTERS; i++) {
		engine->present[i] = sysfile_exists(COUNTERS "/%s", counter_info[i].name);
		engine->counter[i] = sysfile_number(COUNTERS "/%s", counter_info[i].name);
	}
	read_extra(engine);

	/* -1, which is no number here, until a device has registered. */
	engine->order = sysfile_number(PARAMETERS "/page_reporting_order");
	engine->delay_ms = sysfile_number(SYSCTLS "_delay_ms");
	if (!engine->delay_ms.known)	/* upstream's, in newer kernels */
		engine->delay_ms = sysfile_number(PARAMETERS "/page_reporting_delay_ms");
	engine->threshold_bytes = sysfile_number(SYSCTLS "_threshold_kbytes");
	engine->threshold_bytes.n = mul_sat(engine->threshold_bytes.n, 1024);
	engine->evacuate = sysfile_number(SYSCTLS "_evacuate");
	engine->pause = sysfile_number(SYSCTLS "_pause");
}

/* Bytes of a granule; of 2 MiB, what x86 has, if the order is not known. */
uint64_t engine_granule(const struct engine *engine, uint64_t page_size)
{
	if (!engine->order.known || engine->order.n > 20)
		return 2u << 20;
	return page_size << engine->order.n;
}

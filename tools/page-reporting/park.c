// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * "park": the guest gives back what it can and rests, ready for a snapshot.
 * "unpark": it goes on.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "checkpoint.h"
#include "clock.h"
#include "commands.h"
#include "flush.h"
#include "group.h"
#include "put.h"
#include "snapshot.h"
#include "sysfile.h"
#include "units.h"

#define PAUSE_FILE	"/proc/sys/vm/page_reporting_pause"
#define DROP_FILE	"/proc/sys/vm/drop_caches"
#define COMPACT_FILE	"/proc/sys/vm/compact_memory"

/*
 * What was used once, or not lately: there is no time to see more.  As much of each
 * group's inactive files as the kernel takes without a look at its active ones.
 */
static enum exit_status drop_cold(void)
{
	static struct groups groups;
	const char *missing;
	unsigned int i;

	groups_read(&groups);
	missing = groups_missing(&groups);
	if (missing) {
		fprintf(stderr, "page-reporting: cold page cache stays: %s; --cache=all drops all of it\n",
			missing);
		return STATUS_PASSED_OVER;
	}
	for (i = 0; i < groups.nr; i++) {
		const struct group *group = &groups.group[i];
		uint64_t bytes = sub_floor(group->own.inactive, group->own.active);
		uint64_t below = sub_floor(group->all.inactive, group->own.inactive);

		/* The kernel takes from groups below as well. */
		if (group->reaches && bytes >= TRIM_LEAST && bytes >= below)
			group_reclaim(&groups, group, bytes);
	}
	return STATUS_OK;
}

/* A guest without the engine: the kernel reports what it has made whole, in its own time. */
static enum exit_status park_upstream(const struct engine *engine)
{
	sysfile_write(COMPACT_FILE, "1\n");
	engine_usable(engine);
	fputs("page-reporting: caches are dropped and memory is compacted as asked; what is free is reported when this kernel gets to it, so wait some seconds\n",
	      stderr);
	return STATUS_UNSUPPORTED;
}

enum exit_status park_command(const struct options *options)
{
	static struct snapshot shot;
	struct checkpoint checkpoint = { 0 };
	enum exit_status status = STATUS_OK, flushed;
	char has[HUMAN_SIZE], held[HUMAN_SIZE], took[HUMAN_SIZE];
	uint64_t begun = now_us();

	snapshot_read(&shot);
	/* Who paused it may have a reason, and it is not ours to end that. */
	if (shot.engine.pause.n) {
		fputs("page-reporting: reporting is paused already: parked, or vm.page_reporting_pause was set\n",
		      stderr);
		return STATUS_PAUSED;
	}
	sync();
	checkpoint_all(&checkpoint);
	if (checkpoint.made != checkpoint.tried)
		status = STATUS_PASSED_OVER;
	if (options->cache == CACHE_ALL)
		flushed = put(DROP_FILE, "3\n");
	else
		flushed = options->cache == CACHE_COLD ? drop_cold() : STATUS_OK;
	if (flushed == STATUS_PERMISSION)
		return flushed;
	if (flushed)
		status = STATUS_PASSED_OVER;
	if (shot.engine.kind != ENGINE_FULL)
		return park_upstream(&shot.engine);

	flushed = flush_all(options->timeout_ms, FLUSH_EVACUATE);
	if (flushed && flushed != STATUS_PASSED_OVER)
		return flushed;
	if (flushed)
		status = flushed;
	flushed = put(PAUSE_FILE, "1\n");
	if (flushed)
		return flushed;
	if (options->quiet)
		return status;
	snapshot_read(&shot);
	printf("parked in %s: the host has %s that are free here, the guest holds %s; page-reporting unpark ends it\n",
	       human(took, UNIT_US, number_of(now_us() - begun)),
	       human(has, UNIT_BYTES, shot.engine.counter[REPORTED_BYTES]),
	       human_bytes(held, sub_floor(shot.memory.info[MEM_TOTAL].n,
					   shot.engine.counter[REPORTED_BYTES].n)));
	return status;
}

/* Also where nobody parked: a clone's image may have been made either way. */
enum exit_status unpark_command(const struct options *options)
{
	static struct engine engine;
	enum exit_status status;

	engine_read(&engine);
	if (!engine_usable(&engine))
		return STATUS_UNSUPPORTED;
	status = put(PAUSE_FILE, "0\n");
	if (!status && options->resync)
		status = flush_all(options->timeout_ms, FLUSH_RESYNC);
	if (!status && !options->quiet)
		puts(options->resync ? "reporting goes on; the host was told of all that is free" :
				       "reporting goes on");
	return status;
}

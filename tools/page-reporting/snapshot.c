// SPDX-License-Identifier: GPL-2.0-or-later
/* Reads all that the commands look at. */
#include <string.h>
#include <unistd.h>

#include "snapshot.h"

/* What changes from moment to moment. */
void snapshot_update(struct snapshot *shot)
{
	const struct memory *memory = &shot->memory;
	const struct engine *engine = &shot->engine;

	engine_read(&shot->engine);
	shot->granule = engine_granule(engine, shot->page_size);
	memory_read(&shot->memory, shot->granule, shot->page_size);

	memset(&shot->reported, 0, sizeof(shot->reported));
	memset(&shot->waiting, 0, sizeof(shot->waiting));
	if (!engine->counter[REPORTED_BYTES].known)
		return;
	shot->reported = engine->counter[REPORTED_BYTES];
	if (!memory->blocks_known)
		return;
	/* The files were not read at the same moment. */
	shot->reported.n = min_u64(shot->reported.n, memory->whole);
	shot->waiting = number_of(memory->whole - shot->reported.n);
}

void snapshot_read(struct snapshot *shot)
{
	memset(shot, 0, sizeof(*shot));
	shot->page_size = (uint64_t)sysconf(_SC_PAGESIZE);
	place_read(&shot->place);
	device_read(&shot->device);
	snapshot_update(shot);
}

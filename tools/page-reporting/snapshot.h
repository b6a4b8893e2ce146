/* SPDX-License-Identifier: GPL-2.0-or-later */
/* All that is known at one moment, and what follows from it. */
#ifndef PAGE_REPORTING_SNAPSHOT_H
#define PAGE_REPORTING_SNAPSHOT_H

#include "device.h"
#include "engine.h"
#include "memory.h"
#include "place.h"

struct snapshot {
	struct engine engine;
	struct device device;
	struct memory memory;
	struct place place;
	uint64_t page_size;
	uint64_t granule;		/* bytes */
	struct number reported;		/* free, and the host has it */
	struct number waiting;		/* free in whole granules, and it has not */
};

void snapshot_read(struct snapshot *shot);
void snapshot_update(struct snapshot *shot);

#endif

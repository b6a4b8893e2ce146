/* SPDX-License-Identifier: GPL-2.0-or-later */
/* No guest is asked for a size out of its limits, whatever it was told. */
#ifndef AUTOBALLOON_FUZZ_POLICY_H
#define AUTOBALLOON_FUZZ_POLICY_H

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "guest.h"

static void check_policy(const struct guest *guest, uint64_t time_ms)
{
	static struct policy_result result;
	struct policy_memory memory = { 0 };
	struct policy_host host = { .time_ms = time_ms, .level = LEVEL_CRITICAL,
				    .injected = { 0, 1, 1, 1 }, .headroom = UNSET };
	struct policy_config config;
	struct policy_guest g = { 0 };

	policy_defaults(&config);
	guest_observe(guest, &g, time_ms);
	g.enabled = true;
	g.min = g.ram / 4;
	g.max = g.ram;
	g.shares = 1;
	g.rightsize = guest->watch_disks;
	policy_step(&config, &host, &g, &memory, 1, &result);
	if (result.action[0].kind != POLICY_NOTHING &&
	    (result.action[0].target > g.max || result.action[0].target < g.min / 4096 * 4096)) {
		fprintf(stderr, "target %" PRIu64 " is out of bounds\n", result.action[0].target);
		abort();
	}
}

#endif

// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Flushes: all that is free is reported now, and the host has it in the end.
 * "flush" does it for a user, "park" and "trim" as a part of their work.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "checkpoint.h"
#include "clock.h"
#include "commands.h"
#include "flush.h"
#include "snapshot.h"
#include "sysfile.h"
#include "units.h"
#include "why.h"

/* What the host does not have, and why, as far as can be seen. */
static enum exit_status passed_over(void)
{
	static struct snapshot shot;
	char left[HUMAN_SIZE];
	unsigned int i;

	snapshot_read(&shot);
	fprintf(stderr, "page-reporting: %s passed over: the zone is short of memory, or the block isolated for offlining or contiguous allocation; all else is reported\n",
		human(left, UNIT_BYTES, shot.engine.counter[LAST_FLUSH_LEFT_BYTES]));
	for (i = 0; i < shot.memory.nr_zones; i++) {
		const struct zone *zone = &shot.memory.zone[i];

		if (zone->whole && zone_is_tight(zone, shot.granule))
			fprintf(stderr, "page-reporting: zone %s of node %u is short of memory (vm.min_free_kbytes)\n",
				zone->name, zone->node);
	}
	return STATUS_PASSED_OVER;
}

static enum exit_status out_of_time(uint64_t timeout_ms)
{
	static struct engine now;
	const char *why = "";

	engine_read(&now);
	if (now.counter[IN_FLIGHT_BYTES].n)
		why = "; the host has not answered yet";
	fprintf(stderr, "page-reporting: not done within %" PRIu64
		" ms%s; it goes on, and what was reported stays so\n", timeout_ms, why);
	return STATUS_TIMEOUT;
}

static enum exit_status refused(int err, uint64_t timeout_ms)
{
	switch (err) {
	case -ETIMEDOUT:
		return out_of_time(timeout_ms);
	case -EAGAIN:
		return passed_over();
	case -ENOENT:
		fprintf(stderr, "page-reporting: this kernel has no %s\n", FLUSH_FILE);
		return STATUS_UNSUPPORTED;
	case -ENODEV:
		fputs("page-reporting: no device takes reports; see page-reporting doctor\n", stderr);
		return STATUS_NO_DEVICE;
	case -EBUSY:
		fputs("page-reporting: reporting is paused (vm.page_reporting_pause, or a suspend)\n",
		      stderr);
		return STATUS_PAUSED;
	case -EACCES:
	case -EPERM:
	case -EROFS:
		fprintf(stderr, "page-reporting: may not write %s: %s; it takes root\n", FLUSH_FILE,
			strerror(-err));
		return STATUS_PERMISSION;
	default:
		fprintf(stderr, "page-reporting: the flush failed: %s\n", strerror(-err));
		return STATUS_FAILED;
	}
}

/* What cannot be done is said on standard error. */
enum exit_status flush_all(uint64_t timeout_ms, unsigned int flags)
{
	char text[64];
	int err;

	snprintf(text, sizeof(text), "%" PRIu64 " %u\n", timeout_ms, flags);
	err = sysfile_write(FLUSH_FILE, text);
	return err ? refused(err, timeout_ms) : STATUS_OK;
}

enum exit_status flush_command(const struct options *options)
{
	static struct engine before, after;
	struct checkpoint checkpoint = { 0 };
	unsigned int flags = (options->compact ? FLUSH_EVACUATE : 0) |
			     (options->resync ? FLUSH_RESYNC : 0);
	char sent[HUMAN_SIZE], has[HUMAN_SIZE], took[HUMAN_SIZE];
	enum exit_status status;
	struct number bytes;
	uint64_t begun;

	if (options->checkpoint)
		checkpoint_all(&checkpoint);
	if (options->checkpoint && !options->quiet)
		printf("checkpoint of %u of %u file systems\n", checkpoint.made, checkpoint.tried);
	fflush(stdout);

	engine_read(&before);
	if (!engine_usable(&before))
		return STATUS_UNSUPPORTED;

	begun = now_us();
	status = flush_all(options->timeout_ms, flags);
	if (status)
		return status;
	if (options->quiet)
		return checkpoint.made == checkpoint.tried ? STATUS_OK : STATUS_FAILED;

	begun = now_us() - begun;
	engine_read(&after);
	bytes = after.counter[REPORTED_BYTES_TOTAL];
	bytes.known = bytes.known && before.counter[REPORTED_BYTES_TOTAL].known;
	bytes.n = sub_floor(bytes.n, before.counter[REPORTED_BYTES_TOTAL].n);
	printf("reported %s in %s; the host has %s that are free here\n",
	       human(sent, UNIT_BYTES, bytes), human(took, UNIT_US, number_of(begun)),
	       human(has, UNIT_BYTES, after.counter[REPORTED_BYTES]));
	return checkpoint.made == checkpoint.tried ? STATUS_OK : STATUS_FAILED;
}

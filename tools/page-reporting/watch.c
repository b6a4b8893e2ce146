// SPDX-License-Identifier: GPL-2.0-or-later
/* "watch": a line of figures every so often. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "commands.h"
#include "snapshot.h"
#include "units.h"

#define HEADER_EVERY 20

static void pause_for(uint64_t ms)
{
	struct timespec left = { .tv_sec = (time_t)(ms / 1000),
				 .tv_nsec = (long)(ms % 1000) * 1000000 };

	nanosleep(&left, NULL);
}

static void header(void)
{
	printf("%8s %11s %11s %11s %11s %11s %8s %8s %6s\n", "time", "free", "host has", "waiting",
	       "too small", "+reported", "+sent", "+soon", "+tight");
}

static struct number since(const struct engine *was, const struct engine *now, enum counter counter)
{
	struct number number = now->counter[counter];

	number.known = number.known && was->counter[counter].known;
	number.n = sub_floor(number.n, was->counter[counter].n);
	return number;
}

static void line(const struct engine *was, const struct snapshot *shot)
{
	const struct engine *now = &shot->engine;
	struct number small = { .known = shot->memory.blocks_known, .n = shot->memory.small };
	char text[8][HUMAN_SIZE], clock[16];
	struct tm local;
	time_t seconds = time(NULL);

	strftime(clock, sizeof(clock), "%T", localtime_r(&seconds, &local));
	printf("%8s %11s %11s %11s %11s %11s %8s %8s %6s\n", clock,
	       human(text[0], UNIT_BYTES, shot->memory.info[MEM_FREE]),
	       human(text[1], UNIT_BYTES, shot->reported),
	       human(text[2], UNIT_BYTES, shot->waiting),
	       human(text[3], UNIT_BYTES, small),
	       human(text[4], UNIT_BYTES, since(was, now, REPORTED_BYTES_TOTAL)),
	       human(text[5], UNIT_COUNT, since(was, now, REQUESTS)),
	       human(text[6], UNIT_COUNT, since(was, now, REUSED_SOON)),
	       human(text[7], UNIT_COUNT, since(was, now, TIGHT)));
}

enum exit_status watch_command(const struct options *options)
{
	static struct snapshot shot;
	static struct engine was;
	enum exit_status status = STATUS_OK;
	uint64_t lines;

	snapshot_read(&shot);
	/* What upstream's kernel does not tell is "?"; free memory it does. */
	if (!engine_usable(&shot.engine))
		status = STATUS_UNSUPPORTED;
	if (shot.engine.kind == ENGINE_NONE)
		return status;
	was = shot.engine;
	for (lines = 0; !options->count || lines < options->count; lines++) {
		if (lines)
			pause_for(options->interval_ms);
		if (lines % HEADER_EVERY == 0)
			header();
		if (lines)
			snapshot_update(&shot);
		line(&was, &shot);
		was = shot.engine;
		/* Nobody reads any more? */
		if (fflush(stdout))
			return STATUS_FAILED;
	}
	return status;
}

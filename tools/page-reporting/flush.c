// SPDX-License-Identifier: GPL-2.0-or-later
/* "flush": report all that is free now, and return when the host has it. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "commands.h"
#include "engine.h"
#include "sysfile.h"
#include "units.h"

static uint64_t now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static enum exit_status refused(int err, const struct options *options)
{
	switch (err) {
	case -ETIMEDOUT:
		fprintf(stderr, "page-reporting: not done within %" PRIu64
			" ms; it goes on, and what was reported stays so\n", options->timeout_ms);
		return STATUS_TIMEOUT;
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

enum exit_status flush_command(const struct options *options)
{
	static struct engine before, after;
	char sent[HUMAN_SIZE], has[HUMAN_SIZE], took[HUMAN_SIZE], text[64];
	struct number bytes;
	uint64_t begun;
	int err;

	engine_read(&before);
	if (!engine_usable(&before))
		return STATUS_UNSUPPORTED;

	snprintf(text, sizeof(text), "%" PRIu64 "%s\n", options->timeout_ms,
		 options->compact ? " 1" : "");
	begun = now_us();
	err = sysfile_write(FLUSH_FILE, text);
	if (err == -ENOENT) {
		fprintf(stderr, "page-reporting: this kernel has no %s\n", FLUSH_FILE);
		return STATUS_UNSUPPORTED;
	}
	if (err)
		return refused(err, options);
	if (options->quiet)
		return STATUS_OK;

	begun = now_us() - begun;
	engine_read(&after);
	bytes = after.counter[REPORTED_BYTES_TOTAL];
	bytes.known = bytes.known && before.counter[REPORTED_BYTES_TOTAL].known;
	bytes.n = sub_floor(bytes.n, before.counter[REPORTED_BYTES_TOTAL].n);
	printf("reported %s in %s; the host has %s that are free here\n",
	       human(sent, UNIT_BYTES, bytes), human(took, UNIT_US, number_of(begun)),
	       human(has, UNIT_BYTES, after.counter[REPORTED_BYTES]));
	return STATUS_OK;
}

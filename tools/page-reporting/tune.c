// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * "tune": chooses the granule by the host's pages.
 *
 * Where the host backs the guest with huge pages, a part of one brings nothing back, and
 * where it does not, each piece counts.  The host does not say which it does, but the guest
 * can time how long it takes to discard memory that was in use.  So some is used, freed and
 * reported, time and again.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "commands.h"
#include "flush.h"
#include "put.h"
#include "snapshot.h"
#include "sysfile.h"
#include "tune_policy.h"
#include "units.h"

#define ORDER_FILE	"/proc/sys/vm/page_reporting_order"
#define COMMAND_LINE	"page_reporting.page_reporting_order="

#define ROUNDS		8
#define FLUSH_MS	10000

/* Every page, so that the host has it, too. */
static bool use_and_free(uint64_t bytes, uint64_t page_size)
{
	volatile char *memory;
	void *mapped = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			    -1, 0);
	uint64_t at;

	if (mapped == MAP_FAILED)
		return false;
	/* Whole granules are freed then, for the most part. */
	madvise(mapped, bytes, MADV_HUGEPAGE);
	memory = mapped;
	for (at = 0; at < bytes; at += page_size)
		memory[at] = 1;
	munmap(mapped, bytes);
	return true;
}

static enum exit_status measure(uint64_t bytes, uint64_t page_size, struct tune *tune)
{
	static struct engine before, after;
	enum exit_status status;
	uint64_t reported;

	engine_read(&before);
	if (!use_and_free(bytes, page_size)) {
		fprintf(stderr, "page-reporting: no memory to measure with: %s\n",
			strerror(errno));
		return STATUS_FAILED;
	}
	status = flush_all(FLUSH_MS, 0);
	if (status && status != STATUS_PASSED_OVER)
		return status;
	engine_read(&after);
	reported = sub_floor(after.counter[REPORTED_BYTES_TOTAL].n,
			     before.counter[REPORTED_BYTES_TOTAL].n);
	/* Of less, most was something else. */
	if (reported >= bytes / 2)
		tune_add(tune, reported, sub_floor(after.counter[HOST_US].n,
						   before.counter[HOST_US].n));
	return STATUS_OK;
}

static enum exit_status measure_all(const struct snapshot *shot, struct tune *tune)
{
	uint64_t sample = tune_sample(shot->memory.info[MEM_FREE].n);
	enum exit_status status;
	unsigned int i;

	if (!sample) {
		fputs("page-reporting: too little memory is free to measure with\n", stderr);
		return STATUS_FAILED;
	}
	/* What was free before may never have been used, which would make it cheap. */
	status = flush_all(FLUSH_MS, 0);
	if (status == STATUS_PASSED_OVER)
		status = STATUS_OK;
	for (i = 0; i < ROUNDS && !status && tune_backing(tune) != BACKING_HUGE; i++)
		status = measure(sample, shot->page_size, tune);
	if (!status && !tune->nr) {
		fputs("page-reporting: the host took too little to tell\n", stderr);
		status = STATUS_FAILED;
	}
	return status;
}

static bool on_command_line(void)
{
	char *line = sysfile_load("/proc/cmdline");
	bool found = line && strstr(line, COMMAND_LINE);

	free(line);
	return found;
}

static uint64_t order_of(uint64_t granule, uint64_t page_size)
{
	uint64_t order = 0;

	while (page_size << order < granule)
		order++;
	return order;
}

static enum exit_status set_granule(struct snapshot *shot, uint64_t granule)
{
	enum exit_status status;
	char text[32];

	if (granule == shot->granule)
		return STATUS_OK;
	snprintf(text, sizeof(text), "%" PRIu64 "\n", order_of(granule, shot->page_size));
	status = put(ORDER_FILE, text);
	if (!status)
		shot->granule = granule;
	return status;
}

static const char *const findings[] = {
	[BACKING_UNKNOWN] = "which tells nothing of its pages",
	[BACKING_HUGE] = "so it has huge pages",
	[BACKING_SMALL] = "so its pages are small",
};

static void tell(const struct tune *tune, enum backing backing, uint64_t before,
		 const struct snapshot *shot)
{
	char granule[HUMAN_SIZE];

	human_bytes(granule, shot->granule);
	printf("the host takes %" PRIu64 ".%" PRIu64 " us for a MiB, %s; ", tune->cheapest / 1000,
	       tune->cheapest / 100 % 10, findings[backing]);
	if (shot->granule == before)
		printf("a granule stays %s\n", granule);
	else
		printf("a granule is %s now (vm.page_reporting_order=%" PRIu64 ")\n", granule,
		       order_of(shot->granule, shot->page_size));
}

enum exit_status tune_command(const struct options *options)
{
	static struct snapshot shot;
	enum exit_status status, set;
	struct tune tune = { 0 };
	enum backing backing;
	uint64_t before;

	snapshot_read(&shot);
	if (!engine_usable(&shot.engine))
		return STATUS_UNSUPPORTED;
	if (on_command_line()) {
		if (!options->quiet)
			puts("the granule was chosen on the kernel's command line, and stays");
		return STATUS_OK;
	}
	before = shot.granule;
	/* Small granules would split huge pages, which cost as much as small ones then. */
	status = set_granule(&shot, tune_granule(BACKING_HUGE, before));
	if (status)
		return status;
	status = measure_all(&shot, &tune);
	backing = tune_backing(&tune);
	set = set_granule(&shot, tune_granule(status ? BACKING_UNKNOWN : backing, before));
	if (!status)
		status = set;
	if (!status && !options->quiet)
		tell(&tune, backing, before, &shot);
	return status;
}

// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * "residual": what the guest still holds, and why it is not the host's.
 *
 * MemTotal is split completely.  What no counter of the kernel claims is "other";
 * if they claim more than there is, because they are not read at one moment, and a
 * page in the swap cache may be mapped as well, the surplus is told.
 */
#include <stdio.h>
#include <string.h>

#include "commands.h"
#include "json.h"
#include "residual.h"
#include "units.h"

const struct part_info part_info[NR_PARTS] = {
	[PART_ANONYMOUS] = { "anonymous", "anonymous", "memory of processes: only they can free it" },
	[PART_SHARED] = { "shared", "tmpfs, shared", "files to remove, or segments to end" },
	[PART_PAGE_CACHE] = { "page_cache", "page cache", "memory.reclaim or drop_caches frees it" },
	[PART_SWAP_CACHE] = { "swap_cache", "swap cache", "also on the swap device" },
	[PART_HUGETLB] = { "hugetlb", "hugetlb", "a pool, in use or not: vm.nr_hugepages" },
	[PART_SLAB] = { "slab", "slab", "objects of the kernel; drop_caches frees some" },
	[PART_PAGE_TABLES] = { "page_tables", "page tables", "of processes" },
	[PART_KERNEL_STACKS] = { "kernel_stacks", "kernel stacks", "of threads" },
	[PART_PER_CPU_DATA] = { "per_cpu_data", "per-CPU data", "of the kernel" },
	[PART_BALLOON] = { "balloon", "balloon", "the host has it already" },
	[PART_OTHER] = { "other", "other", "the kernel's own: drivers, vmalloc, memory map" },
	[PART_FREE_SMALL] = { "free_too_small", "free, too small",
			      "in pieces, whose neighbours are in use" },
	[PART_FREE_PER_CPU] = { "free_per_cpu", "free, on CPUs' lists", "kept for the next allocation" },
	[PART_IN_FLIGHT] = { "in_flight", "free, in flight", "the host has not answered yet" },
	[PART_NOT_YET] = { "free_not_yet", "free, not yet", "page-reporting status tells what it waits for" },
};

static uint64_t info(const struct snapshot *shot, enum meminfo which)
{
	return shot->memory.info[which].n;
}

/* Whether MemTotal counts what is in the balloon: if the guest may take it back. */
static uint64_t balloon_within(const struct snapshot *shot)
{
	const struct device *device = &shot->device;

	return device->feature[FEATURE_DEFLATE_ON_OOM] ? device->actual_bytes.n : 0;
}

/* No machine has more, and sums of so much stay far from 2^64. */
#define TOTAL_MAX (UINT64_C(1) << 56)

/* false if /proc/meminfo is of no use. */
bool residual_make(const struct snapshot *shot, struct residual *residual)
{
	const struct memory *memory = &shot->memory;
	uint64_t *part = residual->part;
	uint64_t free = info(shot, MEM_FREE), whole, sum = 0;
	unsigned int i;

	memset(residual, 0, sizeof(*residual));
	if (!memory->info[MEM_TOTAL].known || !memory->info[MEM_FREE].known ||
	    free > info(shot, MEM_TOTAL) || info(shot, MEM_TOTAL) > TOTAL_MAX)
		return false;
	residual->total = info(shot, MEM_TOTAL);

	part[PART_ANONYMOUS] = info(shot, ANON);
	part[PART_SHARED] = info(shot, SHMEM);
	part[PART_PAGE_CACHE] = sub_floor(add_sat(info(shot, CACHED), info(shot, BUFFERS)),
					  info(shot, SHMEM));
	part[PART_SWAP_CACHE] = info(shot, SWAP_CACHED);
	part[PART_HUGETLB] = info(shot, HUGETLB);
	part[PART_SLAB] = add_sat(info(shot, SLAB_RECLAIMABLE), info(shot, SLAB_UNRECLAIMABLE));
	part[PART_PAGE_TABLES] = add_sat(info(shot, PAGE_TABLES), info(shot, SEC_PAGE_TABLES));
	part[PART_KERNEL_STACKS] = info(shot, KERNEL_STACK);
	part[PART_PER_CPU_DATA] = info(shot, PER_CPU);
	part[PART_BALLOON] = balloon_within(shot);

	part[PART_FREE_SMALL] = min_u64(memory->small, free);
	whole = free - part[PART_FREE_SMALL];
	residual->reported = shot->reported;
	residual->reported.n = min_u64(residual->reported.n, whole);
	whole -= residual->reported.n;
	part[PART_NOT_YET] = whole;
	/* These two are not in MemFree. */
	part[PART_FREE_PER_CPU] = memory->per_cpu;
	part[PART_IN_FLIGHT] = shot->engine.counter[IN_FLIGHT_BYTES].n;

	residual->held = residual->total - residual->reported.n;
	for (i = 0; i < NR_PARTS; i++) {
		part[i] = min_u64(part[i], residual->total);
		sum += part[i];
	}
	part[PART_OTHER] = sub_floor(residual->held, sum);
	residual->twice = sub_floor(sum, residual->held);
	residual->blocked = shot->engine.counter[BLOCKED_BYTES];
	residual->blocked.n = min_u64(residual->blocked.n, part[PART_FREE_SMALL]);
	return true;
}

static const char *why(const struct residual *residual, enum part part)
{
	if (part == PART_NOT_YET && !residual->reported.known)
		return "the host may have it or not";
	return part_info[part].why;
}

static void print_text(const struct residual *residual)
{
	char text[HUMAN_SIZE];
	unsigned int i;

	printf("%-21s %10s\n", "memory of the guest", human_bytes(text, residual->total));
	printf("%-21s %10s  %s\n", "the host has", human(text, UNIT_BYTES, residual->reported),
	       residual->reported.known ? "free here and reported" :
	       "this kernel does not tell what it has reported");
	printf("%-21s %10s\n", "the guest holds", human_bytes(text, residual->held));
	for (i = 0; i < NR_PARTS; i++) {
		if (residual->part[i])
			printf("  %-19s %10s  %s\n", part_info[i].label,
			       human_bytes(text, residual->part[i]), why(residual, i));
		if (i == PART_FREE_SMALL && residual->blocked.n)
			printf("  %-19s %10s  %s\n", "  of that blocked",
			       human_bytes(text, residual->blocked.n),
			       "in units that cannot be emptied; page-reporting doctor tells why");
	}
	if (residual->twice)
		printf("  %-19s %10s  %s\n", "counted twice", human_bytes(text, residual->twice),
		       "above, in two lines");
}

static void print_json(const struct residual *residual)
{
	unsigned int i;

	json_open(NULL, '{');
	json_u64("total_bytes", residual->total);
	json_number("reported_bytes", residual->reported);
	json_u64("held_bytes", residual->held);
	json_open("parts", '{');
	for (i = 0; i < NR_PARTS; i++)
		json_u64(part_info[i].name, residual->part[i]);
	json_close('}');
	json_u64("counted_twice_bytes", residual->twice);
	json_number("blocked_bytes", residual->blocked);
	json_close('}');
}

enum exit_status residual_command(const struct options *options)
{
	static struct snapshot shot;
	static struct residual residual;

	snapshot_read(&shot);
	if (!residual_make(&shot, &residual)) {
		fputs("page-reporting: cannot make sense of /proc/meminfo\n", stderr);
		return STATUS_FAILED;
	}
	if (options->json)
		print_json(&residual);
	else
		print_text(&residual);
	return STATUS_OK;
}

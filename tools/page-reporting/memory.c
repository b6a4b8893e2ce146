// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Reads /proc/meminfo, buddyinfo and zoneinfo.  Lines that make no sense are left
 * out; they are of no harm to the others.
 *
 * Not /proc/pagetypeinfo, which knows the reserve for atomic allocations: it walks
 * free lists with interrupts off, and a tool that looks must not disturb.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "memory.h"
#include "sysfile.h"

static const char *const meminfo_names[NR_MEMINFO] = {
	[MEM_TOTAL] = "MemTotal",
	[MEM_FREE] = "MemFree",
	[MEM_AVAILABLE] = "MemAvailable",
	[BUFFERS] = "Buffers",
	[CACHED] = "Cached",
	[SWAP_CACHED] = "SwapCached",
	[SHMEM] = "Shmem",
	[ANON] = "AnonPages",
	[SLAB_RECLAIMABLE] = "SReclaimable",
	[SLAB_UNRECLAIMABLE] = "SUnreclaim",
	[PAGE_TABLES] = "PageTables",
	[SEC_PAGE_TABLES] = "SecPageTables",
	[KERNEL_STACK] = "KernelStack",
	[PER_CPU] = "Percpu",
	[HUGETLB] = "Hugetlb",
};

/* Calls back for each line, without its end. */
static void each_line(char *text, void (*line)(char *text, void *arg), void *arg)
{
	char *rest = text, *next;

	while ((next = strsep(&rest, "\n")))
		if (*next)
			line(next, arg);
}

static void meminfo_line(char *line, void *arg)
{
	struct memory *memory = arg;
	char *rest = line, *name = strsep(&rest, ":"), *word;
	struct number number;
	unsigned int i;

	if (!rest)
		return;
	rest += strspn(rest, " ");
	word = strsep(&rest, " ");
	number = number_parse(word);
	if (rest && !strcmp(rest, "kB"))
		number.n = mul_sat(number.n, 1024);
	for (i = 0; i < NR_MEMINFO; i++)
		if (!strcmp(name, meminfo_names[i]))
			memory->info[i] = number;
}

/* The zone of a line that begins "Node 0, zone    DMA32"; *rest is what follows. */
static struct zone *zone_of(struct memory *memory, const char *line, const char **rest)
{
	unsigned int node, i;
	char name[16];
	int len = 0;
	struct zone *zone;

	if (sscanf(line, "Node %u, zone %15[^ ,\n]%n", &node, name, &len) != 2 || !len)
		return NULL;
	*rest = line + len;
	for (i = 0; i < memory->nr_zones; i++) {
		zone = &memory->zone[i];
		if (zone->node == node && !strcmp(zone->name, name))
			return zone;
	}
	if (memory->nr_zones == MAX_ZONES)
		return NULL;
	zone = &memory->zone[memory->nr_zones++];
	zone->node = node;
	strcpy(zone->name, name);
	return zone;
}

struct reader {
	struct memory *memory;
	uint64_t granule;
	uint64_t page_size;
	struct zone *zone;	/* zoneinfo: whose lines these are */
};

/* Numbers of free blocks by order; returns those of whole granules or the rest. */
static void count_blocks(const struct reader *reader, const char *list, uint64_t *small,
			 uint64_t *whole)
{
	uint64_t block = reader->page_size;

	for (;; block = mul_sat(block, 2)) {
		uint64_t nr, bytes;
		int len = 0;

		if (sscanf(list, "%" SCNu64 "%n", &nr, &len) != 1 || !len)
			return;
		list += len;
		bytes = mul_sat(nr, block);
		if (block < reader->granule)
			*small = add_sat(*small, bytes);
		else
			*whole = add_sat(*whole, bytes);
	}
}

static void buddyinfo_line(char *line, void *arg)
{
	struct reader *reader = arg;
	const char *rest;
	struct zone *zone = zone_of(reader->memory, line, &rest);

	if (!zone)
		return;
	count_blocks(reader, rest, &zone->small, &zone->whole);
	reader->memory->blocks_known = true;
}

/* The largest of numbers with commas between them. */
static uint64_t largest(const char *list)
{
	uint64_t n, most = 0;
	int len = 0;

	while (sscanf(list, " %" SCNu64 "%n", &n, &len) == 1) {
		if (n > most)
			most = n;
		list += len;
		list += strspn(list, ",");
	}
	return most;
}

static void zoneinfo_line(char *line, void *arg)
{
	struct reader *reader = arg;
	const char *rest;
	uint64_t n;
	int len = 0;

	if (line[0] == 'N') {
		reader->zone = zone_of(reader->memory, line, &rest);
		return;
	}
	if (!reader->zone)
		return;
	if (sscanf(line, " pages free %" SCNu64, &n) == 1)
		reader->zone->free = number_of(mul_sat(n, reader->page_size));
	else if (sscanf(line, " high %" SCNu64, &n) == 1)
		reader->zone->high = number_of(mul_sat(n, reader->page_size));
	else if (sscanf(line, " nr_free_cma %" SCNu64, &n) == 1)
		reader->zone->cma = mul_sat(n, reader->page_size);
	else if (sscanf(line, " protection: (%n", &len) == 0 && len)
		reader->zone->reserve = mul_sat(largest(line + len), reader->page_size);
	else if (sscanf(line, " count: %" SCNu64, &n) == 1)
		reader->zone->per_cpu = add_sat(reader->zone->per_cpu,
						mul_sat(n, reader->page_size));
}

static void read_lines(const char *path, void (*line)(char *text, void *arg), void *arg)
{
	char *text = sysfile_load("%s", path);

	if (text)
		each_line(text, line, arg);
	free(text);
}

/* granule: what "whole" means, in bytes. */
void memory_read(struct memory *memory, uint64_t granule, uint64_t page_size)
{
	struct reader reader = { .memory = memory, .granule = granule, .page_size = page_size };
	unsigned int i;

	memset(memory, 0, sizeof(*memory));
	/* Those that must agree come one right after the other. */
	read_lines("/proc/zoneinfo", zoneinfo_line, &reader);
	read_lines("/proc/buddyinfo", buddyinfo_line, &reader);
	read_lines("/proc/meminfo", meminfo_line, memory);

	for (i = 0; i < memory->nr_zones; i++) {
		const struct zone *zone = &memory->zone[i];

		memory->small = add_sat(memory->small, zone->small);
		memory->whole = add_sat(memory->whole, zone->whole);
		memory->per_cpu = add_sat(memory->per_cpu, zone->per_cpu);
	}
}

/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Pages whose contents only a seed and their place determine, for programs that
 * prove that memory keeps what it has.
 */
#ifndef PATTERN_H
#define PATTERN_H

#include <stdint.h>
#include <stdio.h>

#define PAGE		4096UL
#define PAGE_WORDS	(PAGE / sizeof(uint64_t))

/* splitmix64: a good enough number for every position. */
static inline uint64_t mix(uint64_t x)
{
	x += 0x9e3779b97f4a7c15ULL;
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
	return x ^ (x >> 31);
}

/* One multiplication per page, additions within: cheap, and no page alike. */
static inline uint64_t pattern_word(uint64_t seed, unsigned long page, unsigned long word)
{
	return mix(seed + page) + word * 0x0101010101010101ULL;
}

static inline void pattern_fill(uint64_t *words, uint64_t seed, unsigned long page)
{
	uint64_t value = pattern_word(seed, page, 0);

	for (unsigned long i = 0; i < PAGE_WORDS; i++)
		words[i] = value + i * 0x0101010101010101ULL;
}

/* The first word that is not what it must be, or -1. */
static inline long pattern_differs(const uint64_t *words, uint64_t seed, unsigned long page)
{
	uint64_t value = pattern_word(seed, page, 0);

	for (unsigned long i = 0; i < PAGE_WORDS; i++)
		if (words[i] != value + i * 0x0101010101010101ULL)
			return i;
	return -1;
}

/* A page's frame from an entry of /proc/PID/pagemap; 0 if it is nowhere in memory. */
static inline uint64_t frame_of_entry(uint64_t entry)
{
	return entry >> 63 ? entry & ((1ULL << 55) - 1) : 0;
}

#endif

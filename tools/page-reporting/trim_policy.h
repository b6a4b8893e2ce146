/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Decides how much page cache is cold, and when to take it.  Pure. */
#ifndef PAGE_REPORTING_TRIM_POLICY_H
#define PAGE_REPORTING_TRIM_POLICY_H

#include <stdbool.h>
#include <stdint.h>

/* Less is not worth a system call. */
#define TRIM_LEAST	(256u << 10)
/* Looks in the time that makes cache cold. */
#define TRIM_LOOKS	20

/* Of some page cache, in bytes; all but the first four are sums since boot. */
struct cache_stat {
	uint64_t inactive;	/* files on the inactive list */
	uint64_t active;
	uint64_t mapped;	/* into programs; on either list */
	uint64_t shared;	/* memory that may be counted as mapped, and is on neither */
	uint64_t scanned;	/* looked at by the kernel to be taken */
	uint64_t refilled;	/* looked at, and moved to another list */
	uint64_t stolen;	/* and taken, whoever made it do so */
	uint64_t activated;	/* used again */
	uint64_t deactivated;
	uint64_t refaulted;	/* taken, and read again */
	uint64_t cpu_us;	/* that those used whose cache it is */
	bool generations;	/* the kernel keeps these instead of two lists */
};

/* What is remembered of a group from look to look. */
struct trim_memory {
	unsigned int nr;	/* looks so far, up to the number below */
	unsigned int at;	/* where the next one goes */
	struct cache_stat look[TRIM_LOOKS + 1];
	uint64_t time_us[TRIM_LOOKS + 1];
	unsigned int trust;	/* looks at which it was taken from, and nothing came back */
	unsigned int hold;	/* looks to let pass before anything is taken */
	unsigned int last_hold;
	unsigned int seeded;	/* looks until the active list may be asked again */
};

/* What the guest did between two looks. */
struct load {
	uint64_t us;		/* between them */
	uint64_t busy_us;	/* CPU time used, ours not counted */
	unsigned int cpus;
	bool pressure_known;	/* the next two are */
	uint64_t memory_us;	/* some task waited for memory */
	uint64_t cpu_us;	/* and for a CPU */
	uint64_t stalls;	/* times that an allocation had to free memory by itself */
};

enum trim_rest { TRIM_CALM, TRIM_REST_MEMORY, TRIM_REST_CPU };

bool trim_resists(const struct cache_stat *before, const struct cache_stat *now);
void trim_hold(struct trim_memory *memory);
enum trim_rest trim_rests(const struct load *load);
uint64_t trim_unseen(const struct trim_memory *memory, const struct cache_stat *now);
uint64_t trim_cold(const struct trim_memory *memory, const struct cache_stat *now);
uint64_t trim_decide(struct trim_memory *memory, const struct cache_stat *own, uint64_t below,
		     uint64_t now_us, bool calm);

#endif

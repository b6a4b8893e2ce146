/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Control groups: the page cache that each has, and how it is taken from them. */
#ifndef PAGE_REPORTING_GROUP_H
#define PAGE_REPORTING_GROUP_H

#include <stdbool.h>
#include <stdint.h>

#include "trim_policy.h"

#define MAX_GROUPS 512
#define GROUP_PATH_MAX 256

/*
 * "own" is what no group below it has: its processes', and what groups that have
 * ended left behind, which only this one can still reach.
 */
struct group {
	char path[GROUP_PATH_MAX];	/* below the mount; empty: the root */
	bool seen;
	bool reaches;			/* it can be taken from */
	struct cache_stat all;
	struct cache_stat own;
	struct trim_memory memory;
};

struct groups {
	unsigned int nr;
	bool mounted;			/* there is a cgroup2 */
	bool has_stat;			/* it controls memory */
	bool has_reclaim;		/* and can take it */
	bool no_swappiness;		/* this kernel does not know that argument */
	bool generations;		/* it uses its multi-generational LRU */
	char mount[128];
	struct group group[MAX_GROUPS];
};

void groups_read(struct groups *groups);
bool group_read(const struct groups *groups, const struct group *group, struct cache_stat *all);
int group_reclaim(struct groups *groups, const struct group *group, uint64_t bytes);
const char *groups_missing(const struct groups *groups);

#endif

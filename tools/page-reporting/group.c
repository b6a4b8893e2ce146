// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The page cache by control group, and the ways to take it.
 *
 * A group of cgroup2 has memory.reclaim since Linux 5.19, the root as well, which has
 * all that was never put into another one.  It takes from the group and from all below.
 */
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "group.h"
#include "sysfile.h"

#define MAX_DEPTH 8

/* The mount point in /proc/self/mounts; a blank in it would be a strange one. */
static void find_mount(struct groups *groups)
{
	char *text = sysfile_load("/proc/self/mounts"), *rest = text, *line;

	groups->mounted = false;
	while (!groups->mounted && rest && (line = strsep(&rest, "\n"))) {
		const char *where, *type;

		strsep(&line, " ");
		where = strsep(&line, " ");
		type = strsep(&line, " ");
		if (!type || strcmp(type, "cgroup2") || strlen(where) >= sizeof(groups->mount))
			continue;
		strcpy(groups->mount, where);
		groups->mounted = true;
	}
	free(text);
}

/* A mask in hexadecimal; without its first bit all that there is are the two lists. */
static bool generations_in_use(void)
{
	char *text = sysfile_load("/sys/kernel/mm/lru_gen/enabled");
	bool used = text && strtoul(text, NULL, 16) & 1;

	free(text);
	return used;
}

/* A line's number, if the line begins with the name; whole names only. */
static bool number_of_line(const char *line, const char *name, uint64_t *n)
{
	size_t len = strlen(name);

	return !strncmp(line, name, len) && line[len] == ' ' && !parse_u64(line + len + 1, n);
}

struct field {
	const char *name;
	size_t offset;
	bool pages;
};

#define FIELD(file_name, member, in_pages) \
	{ file_name, offsetof(struct cache_stat, member), in_pages }

static const struct field group_fields[] = {
	FIELD("inactive_file", inactive, false),
	FIELD("active_file", active, false),
	FIELD("file_mapped", mapped, false),
	FIELD("shmem", shared, false),
	FIELD("pgscan", scanned, true),
	FIELD("pgrefill", refilled, true),
	FIELD("pgsteal", stolen, true),
	FIELD("pgactivate", activated, true),
	FIELD("pgdeactivate", deactivated, true),
	FIELD("workingset_refault_file", refaulted, true),
	{ 0 }
};

static const struct field cpu_fields[] = {
	FIELD("usage_usec", cpu_us, false),
	{ 0 }
};

/* Adds what a file has; false if there is none. */
static bool parse_stat(char *text, const struct field *fields, struct cache_stat *stat)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE), n;
	const struct field *field;
	char *rest = text, *line;

	while (rest && (line = strsep(&rest, "\n")))
		for (field = fields; field->name; field++)
			if (number_of_line(line, field->name, &n)) {
				uint64_t *to = (uint64_t *)(void *)((char *)stat + field->offset);

				*to = add_sat(*to, field->pages ? mul_sat(n, page) : n);
			}
	free(text);
	return text != NULL;
}

static struct group *find(struct groups *groups, const char *path)
{
	struct group *group;
	unsigned int i;

	for (i = 0; i < groups->nr; i++)
		if (!strcmp(groups->group[i].path, path))
			return &groups->group[i];
	if (groups->nr == MAX_GROUPS)
		return NULL;
	group = &groups->group[groups->nr++];
	memset(group, 0, sizeof(*group));
	strcpy(group->path, path);
	return group;
}

static void subtract(struct cache_stat *from, const struct cache_stat *stat)
{
	from->inactive = sub_floor(from->inactive, stat->inactive);
	from->active = sub_floor(from->active, stat->active);
	from->mapped = sub_floor(from->mapped, stat->mapped);
	from->shared = sub_floor(from->shared, stat->shared);
	from->scanned = sub_floor(from->scanned, stat->scanned);
	from->refilled = sub_floor(from->refilled, stat->refilled);
	from->stolen = sub_floor(from->stolen, stat->stolen);
	from->activated = sub_floor(from->activated, stat->activated);
	from->deactivated = sub_floor(from->deactivated, stat->deactivated);
	from->refaulted = sub_floor(from->refaulted, stat->refaulted);
	from->cpu_us = sub_floor(from->cpu_us, stat->cpu_us);
}

/* All but the CPU time. */
static bool read_memory(const struct groups *groups, const char *path, struct cache_stat *all)
{
	memset(all, 0, sizeof(*all));
	all->generations = groups->generations;
	return parse_stat(sysfile_load("%s%s/memory.stat", groups->mount, path), group_fields, all);
}

static bool walk(struct groups *groups, const char *path, unsigned int depth,
		 struct cache_stat *all);

/* Takes what the groups below have from "own". */
static void walk_below(struct groups *groups, const char *path, unsigned int depth,
		       struct cache_stat *own)
{
	char full[SYSFILE_PATH_MAX], below[GROUP_PATH_MAX];
	struct cache_stat stat;
	struct dirent *entry;
	DIR *dir;

	snprintf(full, sizeof(full), "%s%s", groups->mount, path);
	dir = sysfile_dir(full);
	while (dir && (entry = readdir(dir))) {
		if (entry->d_type != DT_DIR || entry->d_name[0] == '.' ||
		    (size_t)snprintf(below, sizeof(below), "%s/%s", path, entry->d_name) >=
		    sizeof(below))
			continue;
		if (walk(groups, below, depth + 1, &stat))
			subtract(own, &stat);
	}
	if (dir)
		closedir(dir);
}

/* A group that is too deep, or one too many, counts as its parent's own. */
static bool walk(struct groups *groups, const char *path, unsigned int depth,
		 struct cache_stat *all)
{
	struct group *group;
	struct cache_stat own;
	bool reaches;

	if (depth > MAX_DEPTH || !read_memory(groups, path, all))
		return false;
	parse_stat(sysfile_load("%s%s/cpu.stat", groups->mount, path), cpu_fields, all);
	groups->has_stat = true;
	reaches = sysfile_exists("%s%s/memory.reclaim", groups->mount, path);
	groups->has_reclaim |= reaches;
	group = find(groups, path);
	if (!group)
		return false;
	own = *all;
	walk_below(groups, path, depth, &own);
	group->seen = true;
	group->reaches = reaches;
	group->all = *all;
	group->own = own;
	return true;
}

static void drop_gone(struct groups *groups)
{
	unsigned int i;

	for (i = 0; i < groups->nr;)
		if (!groups->group[i].seen)
			groups->group[i] = groups->group[--groups->nr];
		else
			i++;
}

/* One group's figures at this moment, with those of all below it. */
bool group_read(const struct groups *groups, const struct group *group, struct cache_stat *all)
{
	return read_memory(groups, group->path, all);
}

/* Looks again; what is known of a group stays with it. */
void groups_read(struct groups *groups)
{
	struct cache_stat all;
	unsigned int i;

	find_mount(groups);
	groups->generations = generations_in_use();
	groups->has_stat = groups->has_reclaim = false;
	for (i = 0; i < groups->nr; i++)
		groups->group[i].seen = false;
	if (groups->mounted)
		walk(groups, "", 0, &all);
	drop_gone(groups);
}

/*
 * Takes page cache; 0, -EAGAIN if there was less to be had, or another -errno.
 * Kernels before 6.12 have no word for "no swapping".  They do not swap either as
 * long as what is asked for is a part of the inactive files.
 */
int group_reclaim(struct groups *groups, const struct group *group, uint64_t bytes)
{
	char path[SYSFILE_PATH_MAX], text[64];
	int err = -EINVAL;

	snprintf(path, sizeof(path), "%s%s/memory.reclaim", groups->mount, group->path);
	snprintf(text, sizeof(text), "%" PRIu64 " swappiness=0\n", bytes);
	if (!groups->no_swappiness)
		err = sysfile_write(path, text);
	if (err != -EINVAL)
		return err;
	groups->no_swappiness = true;
	snprintf(text, sizeof(text), "%" PRIu64 "\n", bytes);
	return sysfile_write(path, text);
}

/* Why nothing at all can be taken; NULL if something can. */
const char *groups_missing(const struct groups *groups)
{
	if (groups->has_reclaim)
		return NULL;
	if (!groups->mounted)
		return "no cgroup2 is mounted (mount -t cgroup2 none /sys/fs/cgroup)";
	if (!groups->has_stat)
		return "cgroup2 has no memory.stat: an old cgroup hierarchy has the memory controller, or the kernel has none";
	return "this kernel has no memory.reclaim, which is in Linux since 5.19";
}

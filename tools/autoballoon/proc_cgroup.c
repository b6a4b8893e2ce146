// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Whether a process belongs to a cgroup that is known by its directory.
 *
 * /proc/PID/cgroup tells it with one read, once it is known which hierarchy the
 * directory is in and what the group is called there. Where that cannot be found
 * out, the directory and those below it are searched for the process.
 */
#include "proc.h"

#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util.h"

/* What a directory stands for. */
static struct place {
	char dir[PATH_MAX];
	char controller[64];	/* of cgroup v1, one of its hierarchy; "": cgroup2 */
	char group[PATH_MAX];	/* as /proc/PID/cgroup says it; "": the root */
	bool known;
} places[2];

static bool lists_pid(const char *dir, pid_t pid, unsigned int depth)
{
	char path[PATH_MAX], line[32];
	struct dirent *entry;
	bool found = false;
	FILE *file;
	DIR *d;

	if ((size_t)snprintf(path, sizeof(path), "%s/cgroup.procs", dir) >= sizeof(path))
		return false;
	file = fopen(path, "re");
	while (file && !found && fgets(line, sizeof(line), file))
		found = strtol(line, NULL, 10) == pid;
	if (file)
		fclose(file);
	d = !found && depth ? opendir(dir) : NULL;
	while (d && !found && (entry = readdir(d))) {
		if (entry->d_type != DT_DIR || entry->d_name[0] == '.')
			continue;
		if ((size_t)snprintf(path, sizeof(path), "%s/%s", dir, entry->d_name) <
		    sizeof(path))
			found = lists_pid(path, pid, depth - 1);
	}
	if (d)
		closedir(d);
	return found;
}


/* The first controller among a cgroup v1 mount's options, such as "rw,cpu,cpuacct". */
static void first_controller(const char *options, char *controller, size_t size)
{
	size_t len;

	for (; *options; options += len, options += *options == ',') {
		len = strcspn(options, ",\n");
		if (strncmp(options, "rw", len) && strncmp(options, "ro", len) &&
		    strncmp(options, "xattr", len) && strncmp(options, "seclabel", len)) {
			snprintf(controller, size, "%.*s", (int)len, options);
			return;
		}
		if (options[len] == '\n')
			return;
	}
}

/* Take a mount for a directory's if it is one of cgroups and the nearest so far. */
static void consider(struct place *place, const char *real, const char *line, size_t *nearest)
{
	char root[PATH_MAX], at[PATH_MAX], type[32], options[256];
	const char *dash = strstr(line, " - ");
	size_t len;

	if (!dash || sscanf(line, "%*s %*s %*s %4095s %4095s", root, at) != 2 ||
	    sscanf(dash, " - %31s %*s %255s", type, options) != 2 ||
	    (strcmp(type, "cgroup") && strcmp(type, "cgroup2")))
		return;
	len = strlen(at);
	if (len < *nearest || strncmp(real, at, len) || (real[len] && real[len] != '/'))
		return;
	*nearest = len;
	place->controller[0] = '\0';
	if (!strcmp(type, "cgroup"))
		first_controller(options, place->controller, sizeof(place->controller));
	/* Above the root of a namespace there is no telling. */
	place->known = strncmp(root, "/..", 3) &&
		       (size_t)snprintf(place->group, sizeof(place->group), "%s%s",
					strcmp(root, "/") ? root : "", real + len) <
		       sizeof(place->group);
}

static void resolve(struct place *place, const char *dir)
{
	char real[PATH_MAX], line[2 * PATH_MAX];
	size_t nearest = 0;
	FILE *file;

	memset(place, 0, sizeof(*place));
	copy_string(place->dir, sizeof(place->dir), dir);
	if (!realpath(dir, real))
		copy_string(real, sizeof(real), dir);
	file = fopen("/proc/self/mountinfo", "re");
	while (file && fgets(line, sizeof(line), file))
		consider(place, real, line, &nearest);
	if (file)
		fclose(file);
}

static bool is_below(const char *path, const char *group)
{
	size_t len = strlen(group);

	return !strncmp(path, group, len) && (!path[len] || path[len] == '/');
}

/* One line: "4:memory:/path" or "0::/path". */
static bool matches(const struct place *place, char *line)
{
	char *controllers = strchr(line, ':'), *path, *controller;

	path = controllers ? strchr(controllers + 1, ':') : NULL;
	if (!path)
		return false;
	*path++ = '\0';
	controllers++;
	if (!place->controller[0])
		return !*controllers && is_below(path, place->group);
	while ((controller = strsep(&controllers, ",")))
		if (!strcmp(controller, place->controller))
			return is_below(path, place->group);
	return false;
}

static bool is_member(pid_t pid, const struct place *place)
{
	char name[64], text[8192];
	char *rest = text, *line;

	snprintf(name, sizeof(name), "/proc/%d/cgroup", (int)pid);
	if (read_text(name, text, sizeof(text)) <= 0)
		return false;
	while ((line = strsep(&rest, "\n")))
		if (matches(place, line))
			return true;
	return false;
}

/**
 * proc_in_cgroup - whether a process is in a cgroup or below it
 * @pid: the process
 * @dirs: directories of the cgroup, one for each hierarchy it is known in
 * @nr: how many, two at most
 *
 * Return: whether it is in one of them.
 */
bool proc_in_cgroup(pid_t pid, const char *const *dirs, unsigned int nr)
{
	unsigned int i;

	for (i = 0; pid > 0 && i < nr && i < ARRAY_SIZE(places); i++) {
		if (strcmp(places[i].dir, dirs[i]))
			resolve(&places[i], dirs[i]);
		if (places[i].known ? is_member(pid, &places[i]) : lists_pid(dirs[i], pid, 4))
			return true;
	}
	return false;
}

// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Finds real-time tasks that never sleep.
 *
 * A flush asks every CPU to empty its batches of pages.  One on which a task of a
 * real-time policy never sleeps may not get to it, and the flush ends at its limit.
 */
#include <ctype.h>
#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "hog.h"
#include "sysfile.h"

/* Fields of /proc/PID/stat, the first of which is 1. */
enum { STAT_STATE = 3, STAT_UTIME = 14, STAT_STIME = 15, STAT_CPU = 39, STAT_POLICY = 41 };

static void read_task(struct hogs *hogs, const char *pid, const char *tid)
{
	char *text = sysfile_load("/proc/%s/task/%s/stat", pid, tid), *name, *end, *rest, *word;
	uint64_t field[STAT_POLICY + 1] = { 0 };
	unsigned int i;

	/* The name is in parentheses, and may have some itself. */
	name = text ? strchr(text, '(') : NULL;
	end = text ? strrchr(text, ')') : NULL;
	if (name && end > name && hogs->nr < MAX_HOGS) {
		*end = '\0';
		rest = end + 1;
		rest += strspn(rest, " ");
		for (i = STAT_STATE; i <= STAT_POLICY && (word = strsep(&rest, " \n")); i++)
			field[i] = strtoull(word, NULL, 10);
		if (i > STAT_POLICY &&
		    (field[STAT_POLICY] == SCHED_FIFO || field[STAT_POLICY] == SCHED_RR)) {
			struct hog *hog = &hogs->hog[hogs->nr++];

			hog->tid = atoi(tid);
			snprintf(hog->name, sizeof(hog->name), "%s", name + 1);
			hog->cpu = (unsigned int)field[STAT_CPU];
			hog->ticks = add_sat(field[STAT_UTIME], field[STAT_STIME]);
		}
	}
	free(text);
}

static void read_process(struct hogs *hogs, const char *pid)
{
	char path[SYSFILE_PATH_MAX];
	struct dirent *entry;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%s/task", pid);
	dir = sysfile_dir(path);
	if (!dir)
		return;
	while ((entry = readdir(dir)))
		if (isdigit((unsigned char)entry->d_name[0]))
			read_task(hogs, pid, entry->d_name);
	closedir(dir);
}

void hogs_read(struct hogs *hogs)
{
	DIR *dir = sysfile_dir("/proc");
	struct dirent *entry;

	hogs->nr = 0;
	if (!dir)
		return;
	while ((entry = readdir(dir)))
		if (isdigit((unsigned char)entry->d_name[0]))
			read_process(hogs, entry->d_name);
	closedir(dir);
}

/* One that has run for nine tenths of the time between the two looks, or NULL. */
const struct hog *hogs_find(const struct hogs *first, const struct hogs *last, uint64_t ms)
{
	uint64_t enough = mul_sat(ms, (uint64_t)sysconf(_SC_CLK_TCK)) / 1000 * 9 / 10;
	unsigned int i, j;

	for (i = 0; enough && i < first->nr; i++)
		for (j = 0; j < last->nr; j++)
			if (last->hog[j].tid == first->hog[i].tid &&
			    sub_floor(last->hog[j].ticks, first->hog[i].ticks) >= enough)
				return &last->hog[j];
	return NULL;
}

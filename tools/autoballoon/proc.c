// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What /proc says about QEMU. A process id is used only together with the
 * start time it had when the session began, so that a reused id is noticed.
 */
#include "proc.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util.h"

/**
 * proc_start_time - when a process was started
 * @pid: the process
 *
 * Return: clock ticks since boot, or 0.
 */
uint64_t proc_start_time(pid_t pid)
{
	char path[64], text[1024];
	const char *p;
	int field;

	if (pid <= 0)
		return 0;
	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	if (read_text(path, text, sizeof(text)) < 0)
		return 0;
	/* The name may hold anything; the last bracket ends it, field 3 follows. */
	p = strrchr(text, ')');
	for (field = 2; p && field < 22; field++)
		p = strchr(p + 1, ' ');
	return p ? strtoull(p, NULL, 10) : 0;
}

/**
 * proc_memory - memory of a process
 * @pid: the process
 * @start: its start time, see proc_start_time()
 * @memory: where the result goes
 *
 * Return: 0, or -errno; -ESRCH if the process is another one by now.
 */
int proc_memory(pid_t pid, uint64_t start, struct proc_memory *memory)
{
	char path[64], text[4096];
	uint64_t pinned = 0;
	ssize_t n;

	if (pid <= 0 || proc_start_time(pid) != start)
		return -ESRCH;
	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	n = read_text(path, text, sizeof(text));
	if (n < 0)
		return (int)n;
	if (text_field_u64(text, "RssAnon:", &memory->anon) ||
	    text_field_u64(text, "RssShmem:", &memory->shmem) ||
	    text_field_u64(text, "VmLck:", &memory->locked) ||
	    text_field_u64(text, "VmSize:", &memory->mapped))
		return -ENOENT;
	text_field_u64(text, "VmPin:", &pinned);
	memory->mapped *= KIB;
	memory->anon *= KIB;
	memory->shmem *= KIB;
	memory->locked = max_u64(memory->locked, pinned) * KIB;
	return 0;
}

/**
 * proc_of_thread - the process that a thread belongs to
 * @thread: its id, as seen from here
 *
 * Return: the process, or 0.
 */
pid_t proc_of_thread(pid_t thread)
{
	char path[64], text[4096];
	uint64_t pid = 0;

	if (thread <= 0)
		return 0;
	snprintf(path, sizeof(path), "/proc/%d/status", (int)thread);
	if (read_text(path, text, sizeof(text)) < 0 || text_field_u64(text, "Tgid:", &pid))
		return 0;
	return (pid_t)min_u64(pid, INT_MAX);
}

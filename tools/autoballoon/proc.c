// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What /proc says about QEMU. A process id is used only together with the
 * start time it had when the session began, so that a reused id is noticed.
 */
#include "proc.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

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
	    text_field_u64(text, "VmLck:", &memory->locked))
		return -ENOENT;
	text_field_u64(text, "VmPin:", &pinned);
	memory->anon *= KIB;
	memory->shmem *= KIB;
	memory->locked = max_u64(memory->locked, pinned) * KIB;
	return 0;
}

/**
 * proc_virtual_size - size of a process's address space
 * @pid: the process
 *
 * Return: bytes, or UNSET if it is not known.
 */
uint64_t proc_virtual_size(pid_t pid)
{
	char path[64], text[4096];
	uint64_t kib;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	if (read_text(path, text, sizeof(text)) < 0 || text_field_u64(text, "VmSize:", &kib))
		return UNSET;
	return kib * KIB;
}

/* "-name web", "-name guest=web,debug-threads=on", "-uuid ...". */
static bool is_about(const char *argument, const char *name, const char *uuid)
{
	size_t len = strlen(name);

	if (*uuid && !strcasecmp(argument, uuid))
		return true;
	if (!strncmp(argument, "guest=", 6))
		argument += 6;
	return len && !strncmp(argument, name, len) && (!argument[len] || argument[len] == ',');
}

static bool is_qemu_of(pid_t pid, const char *name, const char *uuid)
{
	static char text[128 * 1024];
	bool after_name = false, after_uuid = false;
	const char *p, *base;
	char path[64];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/cmdline", (int)pid);
	n = read_text(path, text, sizeof(text));
	if (n <= 0)
		return false;
	base = strrchr(text, '/');
	if (strncmp(base ? base + 1 : text, "qemu", 4) && strncmp(base ? base + 1 : text, "kvm", 3))
		return false;
	for (p = text; p < text + n; p += strlen(p) + 1) {
		if ((after_name && is_about(p, name, "")) || (after_uuid && is_about(p, "", uuid)))
			return true;
		after_name = !strcmp(p, "-name");
		after_uuid = !strcmp(p, "-uuid");
	}
	return false;
}

/**
 * proc_find_qemu - find a guest's QEMU by its command line
 * @name: the guest's name, or ""
 * @uuid: its UUID, or ""
 * @ram: its memory in bytes: QEMU is not smaller
 *
 * Return: a process id, or 0 if there is none, or more than one.
 */
pid_t proc_find_qemu(const char *name, const char *uuid, uint64_t ram)
{
	DIR *dir = opendir("/proc");
	struct dirent *entry;
	pid_t found = 0;

	while (dir && (entry = readdir(dir))) {
		pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10);
		uint64_t size;

		if (pid <= 0)
			continue;
		size = proc_virtual_size(pid);
		if (size == UNSET || size < ram || !is_qemu_of(pid, name, uuid))
			continue;
		if (found) {
			found = 0;
			break;
		}
		found = pid;
	}
	if (dir)
		closedir(dir);
	return found;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What /proc says about QEMU: memory, start time, cgroup. */
#ifndef AUTOBALLOON_PROC_H
#define AUTOBALLOON_PROC_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct proc_memory {
	uint64_t mapped;	/* bytes of address space */
	uint64_t anon;		/* bytes resident */
	uint64_t shmem;
	uint64_t locked;	/* bytes locked or pinned */
};

uint64_t proc_start_time(pid_t pid);
int proc_memory(pid_t pid, uint64_t start, struct proc_memory *memory);
pid_t proc_of_thread(pid_t thread);
bool proc_in_cgroup(pid_t pid, const char *const *dirs, unsigned int nr);

#endif

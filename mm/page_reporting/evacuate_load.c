// SPDX-License-Identifier: GPL-2.0
/*
 * What else the guest does: how idle its CPUs are, and whether memory moves or is short.
 */
#include <linux/cpumask.h>
#include <linux/jiffies.h>
#include <linux/kernel_stat.h>
#include <linux/ktime.h>
#include <linux/math64.h>
#include <linux/mm.h>
#include <linux/percpu.h>
#include <linux/tick.h>
#include <linux/vmstat.h>

#include "evacuate_load.h"
#include "evacuate_policy.h"

static DEFINE_PER_CPU(u64, idle_before);

static u64 cpu_idle_us(int cpu)
{
	u64 idle = get_cpu_idle_time_us(cpu, NULL), iowait;

	if (idle == (u64)-1)
		return div_u64(kcpustat_cpu(cpu).cpustat[CPUTIME_IDLE] +
			       kcpustat_cpu(cpu).cpustat[CPUTIME_IOWAIT], NSEC_PER_USEC);
	iowait = get_cpu_iowait_time_us(cpu, NULL);
	return idle + (iowait == (u64)-1 ? 0 : iowait);
}

/**
 * fpr_evacuate_cpu_share() - what evacuation may use of a CPU
 *
 * Judged from how idle the CPUs were since the last call.
 *
 * Context: Process context; one caller at a time.
 * Return: Percent of one CPU.
 */
unsigned int fpr_evacuate_cpu_share(void)
{
	static u64 wall_before;
	u64 wall = ktime_to_us(ktime_get()), passed = wall - wall_before, sum = 0;
	int cpu;

	for_each_online_cpu(cpu) {
		u64 idle = cpu_idle_us(cpu), before = per_cpu(idle_before, cpu);

		/* A CPU that was offline meanwhile says nothing. */
		if (before && idle > before && idle - before <= passed)
			sum += idle - before;
		per_cpu(idle_before, cpu) = idle;
	}
	wall_before = wall;
	return fpr_evacuate_share(sum, passed);
}

#ifdef CONFIG_VM_EVENT_COUNTERS
static unsigned long sum_events(const unsigned long *events, enum vm_event_item first,
				int nr)
{
	unsigned long sum = 0;

	while (nr--)
		sum += events[first + nr];
	return sum;
}

/**
 * fpr_memory_was_active() - has much memory been allocated or freed?
 *
 * Context: Process context; one caller at a time.
 * Return: true if at least EVACUATE_ACTIVITY pages were since this was last true.
 */
bool fpr_memory_was_active(void)
{
	unsigned long events[NR_VM_EVENT_ITEMS], traffic;
	static unsigned long before;

	all_vm_events(events);
	traffic = events[PGFREE] +
		  sum_events(events, PGALLOC_NORMAL - ZONE_NORMAL, MAX_NR_ZONES);
	if (traffic - before < EVACUATE_ACTIVITY)
		return false;
	before = traffic;
	return true;
}

/**
 * fpr_memory_is_calm() - has nobody had to wait for memory lately?
 *
 * Context: Process context; one caller at a time.
 * Return: true if no call within EVACUATE_CALM has found that a task reclaimed.
 */
bool fpr_memory_is_calm(void)
{
	unsigned long events[NR_VM_EVENT_ITEMS], stalls;
	static unsigned long before;
	static u64 stalled_at;

	all_vm_events(events);
	stalls = global_node_page_state(PGSCAN_DIRECT) +
		 sum_events(events, ALLOCSTALL_NORMAL - ZONE_NORMAL, MAX_NR_ZONES);
	if (stalls != before)
		stalled_at = get_jiffies_64();
	before = stalls;
	return get_jiffies_64() - stalled_at >= EVACUATE_CALM;
}
#else
bool fpr_memory_was_active(void)
{
	return true;
}

bool fpr_memory_is_calm(void)
{
	return true;
}
#endif

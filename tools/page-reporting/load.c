// SPDX-License-Identifier: GPL-2.0-or-later
/* Reads what the guest's CPUs do from /proc/stat, and who waits from /proc/pressure. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "load.h"
#include "sysfile.h"

/* Columns of a line of /proc/stat. */
enum { USER, NICE, SYSTEM, IDLE, IOWAIT, IRQ, SOFTIRQ, STEAL, NR_COLUMNS };

/* "cpu  1 2 3 ...": all CPUs; each of them has a line of its own after it. */
static void read_cpus(struct load_sums *sums)
{
	char *text = sysfile_load("/proc/stat"), *rest = text, *line;
	uint64_t ticks = (uint64_t)sysconf(_SC_CLK_TCK);

	while (rest && (line = strsep(&rest, "\n")) && !strncmp(line, "cpu", 3)) {
		char *word;
		unsigned int i;

		if (line[3] != ' ') {
			sums->cpus++;
			continue;
		}
		strsep(&line, " ");
		line += strspn(line, " ");
		for (i = 0; i < NR_COLUMNS && (word = strsep(&line, " ")); i++)
			if (i != IDLE && i != IOWAIT)
				sums->busy_us += number_parse(word).n * (1000000 / ticks);
	}
	free(text);
	if (!sums->cpus)
		sums->cpus = 1;
}

/* "some avg10=0.00 avg60=0.00 avg300=0.00 total=123": the time in microseconds. */
static struct number read_pressure(const char *what)
{
	char *text = sysfile_load("/proc/pressure/%s", what), *total;
	struct number us = { .known = false };

	if (text && !strncmp(text, "some ", 5)) {
		text[strcspn(text, "\n")] = '\0';
		total = strstr(text, "total=");
		if (total)
			us = number_parse(total + strlen("total="));
	}
	free(text);
	return us;
}

/* Allocations that had to reclaim by themselves, in all zones. */
static uint64_t read_stalls(void)
{
	static const char name[] = "allocstall";
	char *text = sysfile_load("/proc/vmstat"), *rest = text, *line;
	uint64_t sum = 0;

	while (rest && (line = strsep(&rest, "\n"))) {
		const char *value = strchr(line, ' ');

		if (value && !strncmp(line, name, sizeof(name) - 1))
			sum += number_parse(value + 1).n;
	}
	free(text);
	return sum;
}

void load_read(struct load_sums *sums)
{
	memset(sums, 0, sizeof(*sums));
	sums->now_us = now_us();
	sums->own_us = cpu_us();
	read_cpus(sums);
	sums->memory_us = read_pressure("memory");
	sums->cpu_us = read_pressure("cpu");
	sums->stalls = read_stalls();
}

void load_between(const struct load_sums *then, const struct load_sums *now, struct load *load)
{
	load->us = now->now_us - then->now_us;
	load->busy_us = sub_floor(sub_floor(now->busy_us, then->busy_us),
				  now->own_us - then->own_us);
	load->cpus = now->cpus;
	load->pressure_known = now->memory_us.known && then->memory_us.known &&
			       now->cpu_us.known && then->cpu_us.known;
	load->memory_us = sub_floor(now->memory_us.n, then->memory_us.n);
	load->cpu_us = sub_floor(now->cpu_us.n, then->cpu_us.n);
	load->stalls = sub_floor(now->stalls, then->stalls);
}

/* Tasks that run or would like to at this moment, this one not counted. */
unsigned int load_runnable(void)
{
	char *text = sysfile_load("/proc/stat");
	char *line = text ? strstr(text, "\nprocs_running ") : NULL;
	uint64_t n = 0;

	if (line) {
		line += strlen("\nprocs_running ");
		line[strcspn(line, "\n")] = '\0';
		n = sub_floor(number_parse(line).n, 1);
	}
	free(text);
	return (unsigned int)min_u64(n, UINT32_MAX);
}

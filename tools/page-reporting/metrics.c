// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * "metrics": what status tells, for Prometheus.
 *
 * Sizes are in bytes, times in seconds, and what only grows ends in _total.  A family
 * of which nothing is known is left out: 0 would be a lie.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "commands.h"
#include "prometheus.h"
#include "snapshot.h"
#include "why.h"

#define PREFIX "page_reporting_"

enum scale { PLAIN, SECONDS, PAGES };

/* The kernel's counters by other names, for these go by Prometheus' rules. */
static const struct {
	const char *name;	/* those without one: see print_left() */
	enum prometheus_type type;
	enum scale scale;
	const char *help;
} metrics[NR_COUNTERS] = {
	[REPORTED_BYTES_TOTAL] = { PREFIX "reported_bytes_total", COUNTER, PLAIN,
				   "Memory reported to the host since boot." },
	[REPORTED_BYTES] = { PREFIX "at_host_bytes", GAUGE, PLAIN,
			     "Free memory that the host has: reported, not allocated since." },
	[DIRTY_BYTES] = { PREFIX "dirty_bytes", GAUGE, PLAIN,
			  "Memory to be reported or looked at; it may be in use." },
	[IN_FLIGHT_BYTES] = { PREFIX "in_flight_bytes", GAUGE, PLAIN,
			      "Memory in requests that the host has not answered yet." },
	[REQUESTS] = { PREFIX "requests_total", COUNTER, PLAIN, "Requests sent to the host." },
	[ELEMENTS] = { PREFIX "elements_total", COUNTER, PLAIN, "Ranges in these requests." },
	[HOST_US] = { PREFIX "host_seconds_total", COUNTER, SECONDS,
		      "Time that the host took for all requests." },
	[REQUEST_LIMIT_BYTES] = { PREFIX "request_limit_bytes", GAUGE, PLAIN,
				  "The most that one request may hold now." },
	[REUSED] = { PREFIX "reused_granules_total", COUNTER, PLAIN,
		     "Granules allocated after their report." },
	[REUSED_SOON] = { PREFIX "reused_soon_granules_total", COUNTER, PLAIN,
			  "Of these, within 5 s of the report of as much." },
	[REUSED_AVOIDABLE] = { PREFIX "reused_avoidable_granules_total", COUNTER, PLAIN,
			       "Granules allocated after their report while others were free." },
	[ERRORS] = { PREFIX "errors_total", COUNTER, PLAIN, "Requests that the device refused." },
	[STALLS] = { PREFIX "stalls_total", COUNTER, PLAIN,
		     "Requests that had no answer for 5 s." },
	[TIGHT] = { PREFIX "tight_total", COUNTER, PLAIN,
		    "Times that a zone had too little memory to spare." },
	[PASSES] = { PREFIX "passes_total", COUNTER, PLAIN, "Looks for what to report." },
	[DRAINS] = { PREFIX "drains_total", COUNTER, PLAIN, "Drains of the lists of the CPUs." },
	[LAST_PASS_US] = { PREFIX "last_pass_seconds", GAUGE, SECONDS,
			   "Duration of the last pass." },
	[FLUSHES] = { PREFIX "flushes_total", COUNTER, PLAIN, "Flushes that have been made." },
	[LAST_FLUSH_US] = { PREFIX "last_flush_seconds", GAUGE, SECONDS,
			    "Duration of the last flush." },
	[LAST_FLUSH_LEFT_BYTES] = { PREFIX "last_flush_left_bytes", GAUGE, PLAIN,
				    "Memory that the last flush passed over." },
	[RESYNCS] = { PREFIX "resyncs_total", COUNTER, PLAIN,
		      "Times that all memory was reported again." },
	[STRANDED_BYTES] = { PREFIX "stranded_bytes", GAUGE, PLAIN,
			     "Memory free in pieces of units, at the last look." },
	[BLOCKED_BYTES] = { PREFIX "blocked_bytes", GAUGE, PLAIN,
			    "Of that, in units that cannot be emptied." },
	[EVACUATED] = { PREFIX "evacuated_units_total", COUNTER, PLAIN, "Units made whole." },
	[EVACUATE_FAILED] = { PREFIX "evacuate_failed_units_total", COUNTER, PLAIN,
			      "Units begun and not made whole." },
	[EVACUATE_MOVED_PAGES] = { PREFIX "evacuate_moved_bytes_total", COUNTER, PAGES,
				   "Memory moved to make units whole." },
	[EVACUATE_CPU_US] = { PREFIX "evacuate_cpu_seconds_total", COUNTER, SECONDS,
			      "CPU time of evacuation." },
};

static struct number times(struct number number, uint64_t factor)
{
	number.n = mul_sat(number.n, factor);
	return number;
}

static struct number flag(bool value)
{
	return number_of(value);
}

static void print(FILE *out, const char *name, enum prometheus_type type, const char *help,
		  struct number value)
{
	if (!value.known)
		return;
	prometheus_family(out, name, type, help);
	prometheus_sample(out, name, NULL, value);
}

static void print_seconds(FILE *out, const char *name, enum prometheus_type type,
			  const char *help, struct number us)
{
	if (!us.known)
		return;
	prometheus_family(out, name, type, help);
	prometheus_seconds(out, name, us);
}

static void print_info(FILE *out, const struct snapshot *shot)
{
	const char *name = PREFIX "info";
	const struct prometheus_label labels[] = {
		{ "kernel", shot->place.release },
		{ "engine", engine_names[shot->engine.kind] },
		{ "device", shot->device.name },
		{ "driver", shot->device.driver },
		{ 0 }
	};

	prometheus_family(out, name, GAUGE,
			  "The kernel, its kind of page reporting and the device; always 1.");
	prometheus_sample(out, name, labels, number_of(1));
}

static void print_device(FILE *out, const struct device *device)
{
	const char *name = PREFIX "feature_negotiated";
	unsigned int i;

	print(out, PREFIX "device_ready", GAUGE,
	      "Whether a device that takes reports is there, as far as a guest can see.",
	      flag(device_reports(device)));
	if (device->features_known) {
		prometheus_family(out, name, GAUGE, "Whether the device has a feature.");
		for (i = 0; i < NR_FEATURES; i++) {
			const struct prometheus_label labels[] = {
				{ "feature", feature_names[i] }, { 0 }
			};

			prometheus_sample(out, name, labels, flag(device->feature[i]));
		}
	}
	if (!device->has_balloon)
		return;
	print(out, PREFIX "balloon_actual_bytes", GAUGE, "Size of the balloon.",
	      device->actual_bytes);
	print(out, PREFIX "balloon_target_bytes", GAUGE, "Size that the host wants it to have.",
	      device->target_bytes);
}

static void print_knobs(FILE *out, const struct snapshot *shot)
{
	const struct engine *engine = &shot->engine;

	if (engine->order.known)
		print(out, PREFIX "granule_bytes", GAUGE, "The smallest size that is reported.",
		      number_of(shot->granule));
	print_seconds(out, PREFIX "delay_seconds", GAUGE,
		      "How long memory must be free before it is reported.",
		      times(engine->delay_ms, 1000));
	print(out, PREFIX "threshold_bytes", GAUGE, "Less than that waits for company.",
	      engine->threshold_bytes);
	print(out, PREFIX "evacuate_enabled", GAUGE, "Whether units are made whole.",
	      engine->evacuate);
	print(out, PREFIX "paused", GAUGE, "Whether reporting is paused.", engine->pause);
}

static void print_memory(FILE *out, const struct snapshot *shot)
{
	const struct memory *memory = &shot->memory;
	const struct number small = { .known = memory->blocks_known, .n = memory->small };
	const struct number whole = { .known = memory->blocks_known, .n = memory->whole };

	print(out, PREFIX "memory_total_bytes", GAUGE, "MemTotal of the guest.",
	      memory->info[MEM_TOTAL]);
	print(out, PREFIX "memory_free_bytes", GAUGE, "MemFree of the guest.",
	      memory->info[MEM_FREE]);
	print(out, PREFIX "free_whole_bytes", GAUGE,
	      "Memory free in whole granules, reported or not.", whole);
	print(out, PREFIX "free_small_bytes", GAUGE,
	      "Memory free in pieces smaller than a granule.", small);
	print(out, PREFIX "waiting_bytes", GAUGE,
	      "Memory free in whole granules that the host does not have.", shot->waiting);
}

/* Units that evacuation left, one family for all reasons. */
static void print_left(FILE *out, const struct engine *engine)
{
	const char *name = PREFIX "evacuate_left_units_total";
	const size_t prefix = strlen("evacuate_left_");
	bool any = false;
	unsigned int i;

	for (i = EVACUATE_LEFT_UNMOVABLE; i < NR_COUNTERS; i++) {
		const struct prometheus_label labels[] = {
			{ "reason", counter_info[i].name + prefix }, { 0 }
		};

		if (!engine->counter[i].known)
			continue;
		if (!any)
			prometheus_family(out, name, COUNTER, "Units that evacuation left.");
		any = true;
		prometheus_sample(out, name, labels, engine->counter[i]);
	}
}

static void print_counters(FILE *out, const struct snapshot *shot)
{
	const struct engine *engine = &shot->engine;
	unsigned int i;

	for (i = 0; i < EVACUATE_LEFT_UNMOVABLE; i++) {
		if (metrics[i].scale == SECONDS)
			print_seconds(out, metrics[i].name, metrics[i].type, metrics[i].help,
				      engine->counter[i]);
		else
			print(out, metrics[i].name, metrics[i].type, metrics[i].help,
			      times(engine->counter[i],
				    metrics[i].scale == PAGES ? shot->page_size : 1));
	}
	print_left(out, engine);
	/* A newer kernel's: whether they only grow is not known. */
	for (i = 0; i < engine->nr_extra; i++)
		prometheus_comment(out, "not known to this version of page-reporting: %s",
				   engine->extra[i].name);
}

/* A reason may be there for several zones: a metric may not. */
static struct number sum_of(const struct reasons *reasons, const char *code)
{
	struct number sum = { .known = false };
	unsigned int i;

	for (i = 0; i < reasons->nr; i++) {
		const struct reason *reason = &reasons->reason[i];

		if (strcmp(reason->code, code) || !reason->bytes.known)
			continue;
		sum = number_of(add_sat(sum.n, reason->bytes.n));
	}
	return sum;
}

static bool is_first(const struct reasons *reasons, unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < nr; i++)
		if (!strcmp(reasons->reason[i].code, reasons->reason[nr].code))
			return false;
	return true;
}

/* all: those for which nothing is reported, or those of some memory */
static void print_reasons(FILE *out, const struct reasons *reasons, bool all)
{
	const char *name = all ? PREFIX "obstacle" : PREFIX "not_reported_bytes";
	bool any = false;
	unsigned int i;

	for (i = 0; i < reasons->nr; i++) {
		const struct reason *reason = &reasons->reason[i];
		const struct prometheus_label labels[] = { { "reason", reason->code }, { 0 } };

		if (reason->all != all || !is_first(reasons, i))
			continue;
		if (!any)
			prometheus_family(out, name, GAUGE, all ?
					  "Why nothing is reported; there is none if all is well." :
					  "Free memory that is not reported now, by what keeps it.");
		any = true;
		prometheus_sample(out, name, labels,
				  all ? number_of(1) : sum_of(reasons, reason->code));
	}
}

static void print_all(FILE *out, const struct snapshot *shot)
{
	struct reasons reasons;

	why_not(shot, &reasons);
	print_info(out, shot);
	print_device(out, &shot->device);
	print_reasons(out, &reasons, true);
	print_reasons(out, &reasons, false);
	print_memory(out, shot);
	print_knobs(out, shot);
	print_counters(out, shot);
	if (shot->engine.kind == ENGINE_UPSTREAM) {
		prometheus_comment(out, "This kernel reports free pages and does not count what it reports.  It cannot be");
		prometheus_comment(out, "known how much the host has, what waits, what came back, or whether requests failed.");
	}
}

static enum exit_status cannot(const char *path, const char *temporary)
{
	fprintf(stderr, "page-reporting: cannot write %s: %s\n", path, strerror(errno));
	if (temporary)
		unlink(temporary);
	return STATUS_FAILED;
}

/*
 * Whoever reads it sees all of it or what was there before.  The other name does not
 * end in .prom, by which node_exporter knows what to read.
 */
static enum exit_status write_file(const char *path, const struct snapshot *shot)
{
	char temporary[4096];
	struct stat stat;
	FILE *out;
	int fd, bad;

	/* A rename would put a file in the place of /dev/stdout. */
	if (!lstat(path, &stat) && !S_ISREG(stat.st_mode)) {
		errno = EEXIST;
		return cannot(path, NULL);
	}
	if ((size_t)snprintf(temporary, sizeof(temporary), "%s.XXXXXX", path) >=
	    sizeof(temporary)) {
		errno = ENAMETOOLONG;
		return cannot(path, NULL);
	}
	fd = mkstemp(temporary);
	if (fd < 0)
		return cannot(path, NULL);
	/* node_exporter does not run as root. */
	if (fchmod(fd, 0644))
		return cannot(path, temporary);
	out = fdopen(fd, "w");
	if (!out)
		return cannot(path, temporary);
	print_all(out, shot);
	bad = ferror(out);
	if (fclose(out) || bad || rename(temporary, path))
		return cannot(path, temporary);
	return STATUS_OK;
}

/* Done even where there is no page reporting: that is what it then tells. */
enum exit_status metrics_command(const struct options *options)
{
	static struct snapshot shot;

	snapshot_read(&shot);
	if (options->output)
		return write_file(options->output, &shot);
	print_all(stdout, &shot);
	return STATUS_OK;
}

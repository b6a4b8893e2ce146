/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The commands, their options and their exit statuses. */
#ifndef PAGE_REPORTING_COMMANDS_H
#define PAGE_REPORTING_COMMANDS_H

#include <stdbool.h>
#include <stdint.h>

/* Scripts go by these: they are in the manual page, and stay. */
enum exit_status {
	STATUS_OK = 0,
	STATUS_FAILED = 1,
	STATUS_USAGE = 2,
	STATUS_TIMEOUT = 3,
	STATUS_NO_DEVICE = 4,
	STATUS_PAUSED = 5,
	STATUS_PERMISSION = 6,
	STATUS_UNSUPPORTED = 7,
	STATUS_PASSED_OVER = 8,
};

/* What "park" does about page cache. */
enum cache { CACHE_COLD, CACHE_ALL, CACHE_KEEP };

struct options {
	bool json;		/* status, residual */
	bool quiet;		/* flush, park, unpark, trim, tune */
	bool compact;		/* flush: make free memory whole first */
	bool checkpoint;	/* flush: let ext4 let go of its metadata first */
	bool resync;		/* flush, unpark: report also what the host is thought to have */
	enum cache cache;	/* park */
	uint64_t timeout_ms;	/* flush, park, unpark */
	uint64_t interval_ms;	/* watch */
	uint64_t count;		/* watch: lines; trim: looks; 0 for no end */
	uint64_t seconds;	/* doctor: how long to look */
	const char *output;	/* metrics: a file, NULL for standard output */
	uint64_t age_s;		/* trim: unused for so long is cold */
};

enum exit_status status_command(const struct options *options);
enum exit_status flush_command(const struct options *options);
enum exit_status watch_command(const struct options *options);
enum exit_status doctor_command(const struct options *options);
enum exit_status residual_command(const struct options *options);
enum exit_status metrics_command(const struct options *options);
enum exit_status park_command(const struct options *options);
enum exit_status unpark_command(const struct options *options);
enum exit_status trim_command(const struct options *options);
enum exit_status tune_command(const struct options *options);

/* For all that cannot do without the counters. */
struct engine;
bool engine_usable(const struct engine *engine);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where host pressure comes from: PSI, cgroup v1 events, floors. */
#ifndef AUTOBALLOON_PRESSURE_H
#define AUTOBALLOON_PRESSURE_H

#include "config.h"

/* Called for each sign of pressure. */
typedef void (*pressure_fn)(enum level level, const char *source);

struct pressure_sample {
	uint64_t available, total;		/* of the host without huge pages' pools, bytes */
	uint64_t usage, limit;			/* of the cgroup, UNSET: none */
	uint64_t headroom, headroom_low;	/* the scarcer of both, and what to keep */
	enum level level;			/* that the floors speak of */
	const char *floor;			/* which floor */
	uint64_t some_us, full_us;		/* PSI totals, UNSET: unknown */
};

/* Events an hour may be many; a bucket lets only so many through. */
struct token_bucket {
	uint64_t milli;		/* thousandths of a token */
	uint64_t time_ms;
};

unsigned int token_take(struct token_bucket *bucket, unsigned int wanted,
			unsigned int per_minute, unsigned int burst, uint64_t time_ms);
enum level floor_level(uint64_t left, uint64_t whole, const struct amount *floors);
bool meminfo_parse(const char *text, uint64_t *available, uint64_t *total);
bool pressure_believed(uint64_t headroom, uint64_t headroom_low, bool own_group);
int pressure_open(const struct config *config, pressure_fn fn);
void pressure_tick(void);
void pressure_sample(struct pressure_sample *sample);
bool pressure_armed(enum level level);
const char *pressure_problem(void);
void pressure_close(void);

#endif

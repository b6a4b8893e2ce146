// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Where host pressure comes from.
 *
 * PSI triggers are the first choice: the kernel wakes us when tasks stall. But
 * PSI stays at zero until reclaim starts, and without swap a host of anonymous
 * memory can run out with no warning at all: so floors for available memory and
 * for the headroom of the cgroup are sampled as well. cgroup v1's
 * memory.pressure_level is there for those who want the original design's
 * source; it fires thousands of times for a harmless stream of page cache, so a
 * token bucket stands before it.
 */
#include "pressure.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "log.h"
#include "loop.h"

#define TOKEN 1000

static const struct config *cfg;
static pressure_fn tell;
static struct source sources[NR_LEVELS] = {
	{ .fd = -1 }, { .fd = -1 }, { .fd = -1 }, { .fd = -1 },
};
static struct token_bucket buckets[NR_LEVELS];
static char problems[NR_LEVELS][160];	/* why a trigger is not in place, "": it is */

/**
 * token_take - let some of many events through
 * @bucket: the bucket, zeroed before its first use
 * @wanted: events that came
 * @per_minute: rate at which it fills
 * @burst: what it holds
 * @time_ms: the time now
 *
 * Return: how many events may pass.
 */
unsigned int token_take(struct token_bucket *bucket, unsigned int wanted,
			unsigned int per_minute, unsigned int burst, uint64_t time_ms)
{
	uint64_t full = (uint64_t)burst * TOKEN;
	uint64_t elapsed = min_u64(sub_floor(time_ms, bucket->time_ms), 3600000);
	unsigned int passed;

	bucket->milli = bucket->time_ms ?
			min_u64(full, bucket->milli + elapsed * per_minute * TOKEN / 60000) : full;
	bucket->time_ms = time_ms;
	passed = (unsigned int)min_u64(wanted, bucket->milli / TOKEN);
	bucket->milli -= (uint64_t)passed * TOKEN;
	return passed;
}

/**
 * floor_level - the level that an amount of memory left speaks of
 * @left: bytes left
 * @whole: bytes that 100 % are
 * @floors: one for each level
 *
 * Return: the highest level whose floor is above @left.
 */
enum level floor_level(uint64_t left, uint64_t whole, const struct amount *floors)
{
	int level;

	for (level = LEVEL_CRITICAL; level > LEVEL_NONE; level--)
		if (left < amount_of(&floors[level], whole))
			break;
	return (enum level)level;
}

/**
 * pressure_believed - whether a stall speaks of the host's own shortage
 * @headroom: bytes left until the limit, or UNSET
 * @headroom_low: the floor of LOW
 * @own_group: the stall is of the watched cgroup alone
 *
 * The host's PSI counts every task that reclaims for the limit of some container.
 * While twice the low floor is left, guests' memory would not help it.  Without
 * such a floor there is nothing to go by.
 *
 * Return: false if the sign is to be ignored.
 */
bool pressure_believed(uint64_t headroom, uint64_t headroom_low, bool own_group)
{
	return own_group || headroom == UNSET || !headroom_low || headroom / 2 < headroom_low;
}

static void disarm(struct source *source)
{
	int fd = source->fd;

	loop_remove(source);
	if (fd >= 0)
		close(fd);
}

static void psi_ready(struct source *source, uint32_t events)
{
	enum level level = (enum level)(source - sources);

	if (events & EPOLLERR) {
		/* The cgroup has gone; ticks try to find it again. */
		log_warn("event=trigger-lost level=%s", level_name(level));
		disarm(source);
		return;
	}
	tell(level, "psi");
}

static void vmpressure_ready(struct source *source, uint32_t events)
{
	enum level level = (enum level)(source - sources);
	uint64_t count = 0;

	(void)events;
	if (read(source->fd, &count, sizeof(count)) != sizeof(count) || !count)
		return;
	if (token_take(&buckets[level], (unsigned int)min_u64(count, UINT32_MAX),
		       cfg->vmpressure_rate, cfg->vmpressure_burst, now_ms()))
		tell(level, "vmpressure");
}

static void psi_path(char *path, size_t size)
{
	if (cfg->cgroup[0])
		snprintf(path, size, "%s/memory.pressure", cfg->cgroup);
	else
		snprintf(path, size, "/proc/pressure/memory");
}

/*
 * A trigger's text ends with a NUL: the kernel overwrites the last byte it is
 * given. Without CAP_SYS_RESOURCE it takes only windows of whole pairs of
 * seconds; the share of stall then stays as it was.
 */
static int open_psi(const struct psi_trigger *psi, uint64_t window_ms)
{
	char path[PATH_MAX], text[64];
	uint64_t stall_us = psi->stall_ms * 1000 * window_ms / psi->window_ms;
	int fd, n, err;

	psi_path(path, sizeof(path));
	fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	n = snprintf(text, sizeof(text), "%s %" PRIu64 " %" PRIu64, psi->full ? "full" : "some",
		     stall_us, window_ms * 1000);
	if (write(fd, text, (size_t)n + 1) < 0) {
		err = -errno;
		close(fd);
		return err;
	}
	return fd;
}

static void arm_psi(enum level level)
{
	const struct psi_trigger *psi = &cfg->psi[level];
	uint64_t window_ms = psi->window_ms;
	char *problem = problems[level];
	int fd, err;

	problem[0] = '\0';
	if (!psi->on)
		return;
	fd = open_psi(psi, window_ms);
	if (fd == -EINVAL && window_ms % 2000) {
		window_ms += 2000 - window_ms % 2000;
		fd = open_psi(psi, window_ms);
	}
	if (fd < 0) {
		snprintf(problem, sizeof(problems[0]), "PSI trigger for %s: %s", level_name(level),
			 strerror(-fd));
		return;
	}
	sources[level].ready = psi_ready;
	err = loop_add(&sources[level], fd, EPOLLPRI);
	if (err) {
		snprintf(problem, sizeof(problems[0]), "PSI trigger for %s: %s", level_name(level),
			 strerror(-err));
		close(fd);
		return;
	}
	log_info("event=trigger-armed level=%s kind=%s stall_ms=%" PRIu64 " window_ms=%" PRIu64
		 " cgroup=%s", level_name(level), psi->full ? "full" : "some",
		 psi->stall_ms * window_ms / psi->window_ms, window_ms,
		 cfg->cgroup[0] ? cfg->cgroup : "-");
}

static void arm_vmpressure(enum level level)
{
	char path[PATH_MAX], text[64];
	int event, file = -1, control = -1, n;

	event = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	snprintf(path, sizeof(path), "%s/memory.pressure_level", cfg->cgroup_memory);
	if (event >= 0)
		file = open(path, O_RDONLY | O_CLOEXEC);
	snprintf(path, sizeof(path), "%s/cgroup.event_control", cfg->cgroup_memory);
	if (file >= 0)
		control = open(path, O_WRONLY | O_CLOEXEC);
	n = snprintf(text, sizeof(text), "%d %d %s", event, file, level_name(level));
	if (control < 0 || write(control, text, (size_t)n) != n) {
		snprintf(problems[level], sizeof(problems[0]), "%.100s: %s", path, strerror(errno));
		if (event >= 0)
			close(event);
	} else {
		problems[level][0] = '\0';
		sources[level].ready = vmpressure_ready;
		if (loop_add(&sources[level], event, EPOLLIN))
			close(event);
	}
	if (file >= 0)
		close(file);
	if (control >= 0)
		close(control);
}

/**
 * pressure_open - arm the triggers
 * @config: says which
 * @fn: called for each sign of pressure
 *
 * What cannot be armed now is tried again with every tick.
 *
 * Return: 0, or -errno of the first trigger that could not be armed.
 */
int pressure_open(const struct config *config, pressure_fn fn)
{
	cfg = config;
	tell = fn;
	pressure_tick();
	return pressure_problem() ? -ENOENT : 0;
}

/**
 * pressure_tick - arm triggers that are not armed
 */
void pressure_tick(void)
{
	int level;

	for (level = LEVEL_LOW; level < NR_LEVELS; level++) {
		if (sources[level].fd >= 0)
			continue;
		if (cfg->source == SOURCE_PSI)
			arm_psi((enum level)level);
		else if (cfg->source == SOURCE_VMPRESSURE)
			arm_vmpressure((enum level)level);
	}
}

static int read_number(const char *dir, const char *name, uint64_t *value)
{
	char path[PATH_MAX], text[64];
	ssize_t n;

	if ((size_t)snprintf(path, sizeof(path), "%s/%s", dir, name) >= sizeof(path))
		return -ENAMETOOLONG;
	n = read_text(path, text, sizeof(text));
	if (n <= 0)
		return n ? (int)n : -ENODATA;
	text[strcspn(text, "\n")] = '\0';
	if (!strcmp(text, "max"))
		*value = UNSET;
	else if (parse_u64(text, 0, UINT64_MAX, value))
		return -EINVAL;
	return 0;
}

/* Page cache that reclaim would take first does not count against the limit. */
static uint64_t easy_cache(const char *dir)
{
	char path[PATH_MAX], text[4096];
	uint64_t inactive = 0, active = 0;

	if ((size_t)snprintf(path, sizeof(path), "%s/memory.stat", dir) >= sizeof(path) ||
	    read_text(path, text, sizeof(text)) < 0)
		return 0;
	if (text_field_u64(text, "total_inactive_file", &inactive))
		text_field_u64(text, "inactive_file", &inactive);
	if (text_field_u64(text, "total_active_file", &active))
		text_field_u64(text, "active_file", &active);
	return inactive + active / 2;
}

/*
 * Usage and limit of one cgroup, of either version: v2 has memory.current,
 * memory.max and memory.high, where reclaim begins, and writes "max" for none.
 */
static int read_cgroup(const char *dir, uint64_t *usage, uint64_t *limit)
{
	uint64_t high = UNSET;

	*limit = UNSET;
	if (!read_number(dir, "memory.current", usage)) {
		read_number(dir, "memory.high", &high);
		read_number(dir, "memory.max", limit);
		*limit = min_u64(*limit, high);
	} else if (!read_number(dir, "memory.usage_in_bytes", usage)) {
		read_number(dir, "memory.limit_in_bytes", limit);
		/* v1 writes "no limit" as the largest page aligned number. */
		if (*limit > (uint64_t)1 << 60)
			*limit = UNSET;
	} else {
		return -ENOENT;
	}
	*usage = sub_floor(*usage, easy_cache(dir));
	return 0;
}

/*
 * A cgroup is limited by those above it as well, and the one that has the least
 * left is the one that counts. Above the hierarchy's root there are no such files.
 */
static void sample_cgroup(struct pressure_sample *sample)
{
	uint64_t usage, limit, left = UNSET;
	char dir[CONFIG_TEXT_MAX];
	char *slash;

	sample->usage = UNSET;
	sample->limit = UNSET;
	copy_string(dir, sizeof(dir), cfg->cgroup_memory[0] ? cfg->cgroup_memory : cfg->cgroup);
	while (dir[0] && !read_cgroup(dir, &usage, &limit)) {
		if (sample->usage == UNSET)
			sample->usage = usage;
		if (limit != UNSET && sub_floor(limit, usage) < left) {
			left = sub_floor(limit, usage);
			sample->usage = usage;
			sample->limit = limit;
		}
		while ((slash = strrchr(dir, '/')) && !slash[1])
			*slash = '\0';	/* ends in a slash */
		if (!slash)
			break;
		*slash = '\0';
	}
}

static void sample_psi(struct pressure_sample *sample)
{
	char path[PATH_MAX], text[256];
	const char *p;

	sample->some_us = UNSET;
	sample->full_us = UNSET;
	psi_path(path, sizeof(path));
	if (read_text(path, text, sizeof(text)) <= 0)
		return;
	/* "some" is the first line, "full" the second. */
	p = strstr(text, "total=");
	if (!p || sscanf(p, "total=%" SCNu64, &sample->some_us) != 1)
		return;
	p = strstr(p + 1, "total=");
	if (p && sscanf(p, "total=%" SCNu64, &sample->full_us) != 1)
		sample->full_us = UNSET;
}

static void apply_floor(struct pressure_sample *sample, uint64_t left, uint64_t whole,
			const struct amount *floors, const char *name)
{
	uint64_t low = amount_of(&floors[LEVEL_LOW], whole);
	enum level level = floor_level(left, whole, floors);

	if (level > sample->level) {
		sample->level = level;
		sample->floor = name;
	}
	/* The scarcer of the two: the one that is nearer to its floor. */
	if (sample->headroom == UNSET ||
	    (double)left - (double)low < (double)sample->headroom - (double)sample->headroom_low) {
		sample->headroom = left;
		sample->headroom_low = low;
	}
}

/**
 * meminfo_parse - the memory of a host that floors are shares of
 * @text: contents of /proc/meminfo
 * @available: set to what is available, bytes
 * @total: set to all of it but pools of huge pages, bytes: what is in a pool is
 *         in MemTotal, but can be neither available nor freed by guests
 *
 * Return: false if the text does not tell.
 */
bool meminfo_parse(const char *text, uint64_t *available, uint64_t *total)
{
	uint64_t pools = 0;

	if (text_field_u64(text, "MemTotal:", total) ||
	    text_field_u64(text, "MemAvailable:", available))
		return false;
	text_field_u64(text, "Hugetlb:", &pools);
	*total = sub_floor(*total, pools) * KIB;
	*available *= KIB;
	return true;
}

/**
 * pressure_sample - look at the floors
 * @sample: where the result goes
 */
void pressure_sample(struct pressure_sample *sample)
{
	char text[8192];

	memset(sample, 0, sizeof(*sample));
	sample->headroom = UNSET;
	if (read_text("/proc/meminfo", text, sizeof(text)) > 0 &&
	    meminfo_parse(text, &sample->available, &sample->total))
		apply_floor(sample, sample->available, sample->total, cfg->available,
			    "available");
	sample_cgroup(sample);
	if (sample->usage != UNSET && sample->limit != UNSET)
		apply_floor(sample, sub_floor(sample->limit, sample->usage), sample->limit,
			    cfg->headroom, "cgroup-headroom");
	sample_psi(sample);
}

/**
 * pressure_armed - whether a trigger is in place
 * @level: the level
 *
 * Return: true if the kernel will wake us for it.
 */
bool pressure_armed(enum level level)
{
	return sources[level].fd >= 0;
}

/**
 * pressure_problem - why a trigger is not in place, of the lowest level that has none
 *
 * Return: a text, or NULL.
 */
const char *pressure_problem(void)
{
	int level;

	for (level = LEVEL_LOW; level < NR_LEVELS; level++)
		if (problems[level][0])
			return problems[level];
	return NULL;
}

/**
 * pressure_close - disarm the triggers
 */
void pressure_close(void)
{
	int level;

	for (level = LEVEL_LOW; level < NR_LEVELS; level++) {
		disarm(&sources[level]);
		problems[level][0] = '\0';
	}
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The policy: which guest gets which size, and why.
 *
 * policy_step() is a pure function of configuration, observation and its own
 * memory; it neither allocates nor does I/O, and never asks for the time.
 */
#ifndef AUTOBALLOON_POLICY_H
#define AUTOBALLOON_POLICY_H

#include <stdbool.h>
#include <stdint.h>

#include "levels.h"
#include "util.h"
#include "why.h"

#define POLICY_MAX_GUESTS 1024
#define POLICY_CHANGES 60	/* size changes remembered per guest */
#define POLICY_BRISK_MS 1000	/* between statistics while anything goes on */

/* A target closer to the guest's size than this counts as reached. */
#define POLICY_TOLERANCE (512 * KIB)

struct policy_config {
	bool proportional;		/* else fixed amounts */
	uint64_t amount[NR_LEVELS];	/* bytes per event and guest, if fixed */
	unsigned int goal_percent[NR_LEVELS];	/* of all guests' memory, per event */
	unsigned int step_percent[NR_LEVELS];	/* of a guest's RAM, largest take */
	uint64_t take_interval_ms;	/* between takes from one guest */
	unsigned int changes_per_minute;	/* per guest; a guest in need is not counted */
	uint64_t reserve_bytes;		/* what a guest keeps above its need, at most */
	uint64_t overhead_bytes;	/* QEMU's own memory, not the guest's */
	uint64_t hold_ms;		/* after a guest needed memory */
	uint64_t stuck_ms;		/* without progress for this long it is stuck */
	uint64_t cool_ms;		/* how long to leave a stuck guest alone */
	uint64_t foreign_ms;		/* leave a guest alone that another one manages */
	uint64_t boot_ms;		/* leave a guest alone after a reset */
	uint64_t give_after_ms;		/* how long the host must be quiet */
	uint64_t give_interval_ms;	/* between slow gives to one guest */
	unsigned int give_percent;	/* of RAM, one slow give */
	uint64_t fault_limit;		/* major faults a second that mean need */
	uint64_t swap_limit;		/* bytes swapped a second that mean need */
	uint64_t pulse_interval_ms;	/* between pulses of one guest */
	uint64_t pulse_timeout_ms;	/* a pulse is given up after so long */
	uint64_t rightsize_interval_ms;	/* between probes */
	uint64_t rightsize_fault_limit;	/* faults a second that stop probing */
};

enum pulse_mode { PULSE_NO, PULSE_AUTO, PULSE_YES };

/* Guest statistics as sent, bytes and counts; UNSET where it sent none. */
struct policy_stats {
	uint64_t total;
	uint64_t free;
	uint64_t available;
	uint64_t caches;
	uint64_t swap_in;
	uint64_t swap_out;
	uint64_t major_faults;
	uint64_t oom_kills;
	uint64_t alloc_stalls;
};

/* What is known about one guest now. Numbers may be lies. */
struct policy_guest {
	bool present;			/* the slot is in use */
	enum why absent;		/* why QEMU cannot be asked, or WHY_NONE */
	bool enabled;
	bool outside;			/* not in the watched cgroup */
	bool has_device;
	bool has_driver;
	bool running;
	bool migrating;
	bool hugetlb;
	bool mem_locked;
	bool assigned;
	bool reporting;			/* negotiated */
	bool yields;			/* takes memory back when it must: DEFLATE_ON_OOM */
	uint64_t ram;			/* size without a balloon */
	uint64_t actual;		/* size with it */
	uint64_t charged;		/* resident memory of QEMU, or UNSET */
	struct policy_stats stats;
	uint64_t disk_reads;		/* bytes ever, counted by QEMU, or UNSET */
	uint64_t stats_actual;		/* size that they are about, 0: as it is now */
	uint64_t stats_seq;		/* changes with each new set of statistics */
	uint64_t stats_age_ms;		/* UNSET: never any */
	uint64_t stats_interval_ms;
	uint64_t reset_seq;		/* changes with each reset */
	uint64_t reset_ms;		/* when it was last reset, 0: not seen */
	/* configuration of this guest */
	uint64_t min;
	uint64_t max;
	unsigned int shares;
	unsigned int band;		/* lower bands are drained first */
	enum pulse_mode pulse;
	bool rightsize;
	/* the administrator's word */
	bool manual;			/* a size was set: no slow give, no probing */
	uint64_t request;		/* size asked for once, 0: none */
	uint64_t hold_max;		/* 0: none; else the guest may not exceed it */
};

/* What the policy remembers about one guest from step to step. */
struct policy_memory {
	uint64_t target;		/* last size asked for, 0: none yet */
	uint64_t debt;			/* bytes taken from it and not given back */
	uint64_t promised;		/* bytes given to it that it has not used yet */
	uint64_t ram;			/* the guest's, when it was last looked at */
	uint64_t lowest;		/* smallest actual since then */
	uint64_t last_actual;
	bool settled;			/* actual has reached target since it was set */
	bool stuck;			/* the last target was not followed */
	uint64_t stuck_need;		/* what the guest needed then, 0: not known */
	uint64_t changed_ms;
	uint64_t progress_ms;
	uint64_t race_until_ms;		/* an older target may still be moving actual */
	uint64_t took_ms;
	uint64_t hold_until_ms;
	uint64_t cool_until_ms;
	uint64_t foreign_until_ms;
	uint64_t changes_ms[POLICY_CHANGES];	/* ring of change times */
	unsigned int next_change;
	/* counters of the statistics before, for rates */
	uint64_t seq;
	uint64_t seq_ms;
	struct policy_stats before;
	uint64_t fault_rate;		/* a second */
	uint64_t usual_faults;		/* a second, while nothing was taken from it */
	uint64_t swap_rate;		/* bytes a second */
	bool oom;			/* kills or stalls since the statistics before */
	bool fresh;			/* statistics are new in this step */
	uint64_t reset_seq;
	/* pulse */
	bool pulsing;
	uint64_t pulse_return;
	uint64_t pulse_ms;
	/* right-sizing */
	uint64_t probe_ms;
	unsigned int grace;		/* probes to leave out after a back-off */
	unsigned int pace;		/* percent of its size that a probe takes */
	uint64_t worst_fault_rate;	/* since the last probe */
	uint64_t disk_reads;		/* at the last probe, bytes ever, UNSET: unknown */
	uint64_t usual_reads;		/* with all its memory, in faults a second */
	uint64_t bottom;		/* a size that hurt */
	uint64_t bottom_at_ms;		/* when it did last, 0: never */
	unsigned int bottom_doublings;	/* how often the time it is kept was doubled */
};

struct policy_host {
	uint64_t time_ms;
	enum level level;		/* in force, with hysteresis */
	uint64_t level_since_ms;
	unsigned int events[NR_LEVELS];		/* seen since the last step */
	unsigned int injected[NR_LEVELS];	/* asked for by the administrator */
	uint64_t headroom;		/* bytes left until the limit, or UNSET */
	uint64_t headroom_low;		/* headroom that should be kept */
	uint64_t wanted;		/* room that is to be made on top of it */
};

/* What was found out about a guest, kept for status, plan and logs. */
struct policy_verdict {
	enum why why;			/* why nothing, or why the action */
	enum why hurt;			/* sign of need, or WHY_NONE */
	bool barred;			/* nothing can or may be done at all */
	bool stats_usable;
	bool fits;			/* what it needs is less than "high" */
	uint64_t low;			/* smallest size allowed by configuration */
	uint64_t high;			/* largest size allowed */
	uint64_t floor;			/* never take below this */
	uint64_t floor_cached;		/* the same if the page cache is to stay */
	uint64_t floor_tight;		/* the same for right-sizing */
	uint64_t margin;		/* kept above the need by right-sizing */
	uint64_t reserve;
	uint64_t used;			/* in use, with page cache */
	uint64_t need;			/* in use, without page cache */
	uint64_t free;
	uint64_t cache;
	uint64_t slack;			/* free in the guest, still charged to the host */
	uint64_t gain;			/* what a take could bring at this level */
	uint64_t room;			/* what may be taken at this level at most */
};

enum policy_kind { POLICY_NOTHING, POLICY_TAKE, POLICY_GIVE };

struct policy_action {
	enum policy_kind kind;
	enum why why;
	uint64_t target;		/* size to ask for, bytes */
};

struct policy_result {
	struct policy_action action[POLICY_MAX_GUESTS];
	struct policy_verdict verdict[POLICY_MAX_GUESTS];
	bool no_donors;			/* pressure, and nobody could give */
};

void policy_defaults(struct policy_config *config);
void policy_moved(struct policy_memory *memory, uint64_t target, uint64_t actual);
void policy_step(const struct policy_config *config, const struct policy_host *host,
		 const struct policy_guest *guests, struct policy_memory *memory,
		 unsigned int nr, struct policy_result *result);

/* assess.c: one guest by itself */
void assess_guest(const struct policy_config *config, const struct policy_host *host,
		  const struct policy_guest *guest, struct policy_memory *memory,
		  struct policy_verdict *verdict);
uint64_t assess_gain(const struct policy_config *config, const struct policy_guest *guest,
		     const struct policy_memory *memory, struct policy_verdict *verdict,
		     enum level level);

/* rightsize.c: the next size of a guest that looks for the size it needs */
void rightsize_hurt(const struct policy_config *config, struct policy_memory *memory,
		    uint64_t time_ms);
void rightsize_watch(struct policy_memory *memory, const struct policy_verdict *verdict);
uint64_t rightsize_next(const struct policy_config *config, const struct policy_guest *guest,
			struct policy_memory *memory, const struct policy_verdict *verdict,
			uint64_t time_ms, enum why *why);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One guest: its session, who it is, what it can do, how it fares. */
#ifndef AUTOBALLOON_GUEST_H
#define AUTOBALLOON_GUEST_H

#include "link.h"
#include "policy.h"
#include "transport.h"

#define GUEST_PATH_MAX 512
#define GUEST_NAME_MAX 64

enum guest_phase {
	GUEST_OFF,		/* no session; the next attempt is at retry_ms */
	GUEST_GREETING,		/* connected, the other end has not spoken yet */
	GUEST_PROBING,		/* asking what there is */
	GUEST_READY,
};

struct guest {
	bool used;
	char path[GUEST_PATH_MAX];
	char shown[GUEST_PATH_MAX];	/* the same, fit for logs and terminals */
	bool found;			/* in a directory, not named in the configuration */
	bool open_place;		/* others may make sockets there: names are the files' */
	const struct transport *transport;
	struct link link;
	void *session;			/* the transport's own, NULL: none */
	enum guest_phase phase;
	uint64_t retry_ms;
	uint64_t backoff_ms;
	int last_error;			/* of the last attempt, -errno, 0: none */
	bool no_greeting;		/* another client holds the socket */
	uint64_t since_ms;		/* when the phase began */

	/* commands */
	uint32_t wants;			/* a bit each, of the transport's commands */
	int in_flight;			/* a command, -1: none */
	uint64_t in_flight_id;
	uint64_t in_flight_ms;
	uint64_t errors;		/* error replies and broken sessions */
	char error[120];		/* of the last error reply */
	bool refused;			/* the last target was not taken */
	uint64_t received_before;	/* bytes, up to the last tick */
	uint64_t poll_ms;		/* next ordinary poll */
	uint64_t process_ms;		/* next look at QEMU's process while nothing goes on */
	uint64_t refresh_ms;		/* next look at things that seldom change */
	uint64_t target;		/* TOPIC_TARGET */
	uint64_t sent_ms;		/* when the last target was accepted */

	/* identity */
	char name[GUEST_NAME_MAX];	/* never empty once probed */
	char uuid[40];
	pid_t peer;			/* who made the socket, 0: unknown */
	uint64_t peer_start;
	pid_t pid;			/* of QEMU, 0: unknown */
	bool launcher;			/* the process is too small to be QEMU */
	uint64_t pid_start;		/* its start time, tells reused ids apart */

	/* facts */
	char device[128];		/* what the balloon is called there */
	bool has_device;
	bool virtio_known;		/* driver and features are seen, not guessed */
	bool driver_ok;
	bool offers_reporting, offers_oom, offers_stats, offers_hint;
	bool has_reporting, has_oom, has_stats, has_poison;
	bool running;
	bool migrating;
	bool assigned;
	bool mem_locked;		/* by configuration; "locked" is what is seen */
	char run_state[24];
	uint64_t ram;			/* all of it, but what is no memory (NVDIMM) */
	uint64_t actual;		/* the same without the balloon */
	uint64_t actual_high;		/* largest since the latest statistics came */
	uint64_t stats_actual;		/* actual that the latest statistics are about */
	uint64_t page_size;		/* of the memory behind the guest, 0: unknown */
	uint64_t rss;			/* anonymous and shared, UNSET: unknown */
	uint64_t locked;		/* bytes */
	bool outside;
	uint64_t reports;		/* buffers the guest has reported */
	bool watch_disks;		/* ask what its disks read: right-sizing goes by it */
	bool disks_refused;		/* an answer too long, or none */
	bool stats_refused;		/* the guest gives none */
	uint64_t disk_reads;		/* bytes ever, UNSET: unknown */

	/* statistics */
	struct policy_stats stats;
	uint64_t stats_ms;		/* our clock, 0: never */
	uint64_t stats_update;		/* the hypervisor's clock: tells new ones from old */
	uint64_t stats_seq;
	uint64_t interval_s;		/* wanted */
	uint64_t interval_set_s;	/* QEMU has it, 0: not yet */
	uint64_t interval_age_s;	/* that the latest statistics came with */
	uint64_t reset_seq;
	uint64_t reset_ms;
	uint64_t pulled_ms;		/* last BALLOON_CHANGE */
};

void guest_init(struct guest *guest, const struct transport *transport, const char *path,
		bool found);
void guest_free(struct guest *guest);
int guest_connect(struct guest *guest, uint64_t time_ms);
int guest_start(struct guest *guest, uint64_t time_ms);
void guest_fail(struct guest *guest, int err, uint64_t time_ms);
int guest_input(struct guest *guest, uint64_t time_ms);
int guest_work(struct guest *guest, uint64_t time_ms);
int guest_tick(struct guest *guest, bool brisk, uint64_t idle_s, uint64_t time_ms);
void guest_set_target(struct guest *guest, uint64_t target);
void guest_observe(const struct guest *guest, struct policy_guest *out, uint64_t time_ms);
const char *guest_uuid(const struct guest *guest);
bool guest_floods(const struct guest *guest);
bool guest_target_waits(const struct guest *guest);
enum why guest_absent(const struct guest *guest);

/* For transports: what a session has found out. guest_facts.c */
void guest_greeted(struct guest *guest, uint64_t time_ms);
void guest_sent(struct guest *guest, unsigned int command, uint64_t time_ms);
void guest_want(struct guest *guest, enum topic topic);
void guest_set_name(struct guest *guest, const char *name);
void guest_set_uuid(struct guest *guest, const char *uuid);
void guest_set_run_state(struct guest *guest, const char *state, bool running);
void guest_set_process(struct guest *guest, pid_t pid);
void guest_set_actual(struct guest *guest, uint64_t actual);
void guest_set_stats(struct guest *guest, const struct policy_stats *stats, uint64_t age_ms,
		     uint64_t time_ms);
void guest_set_accepted(struct guest *guest, uint64_t time_ms);
void guest_set_refused(struct guest *guest);
void guest_set_interval(struct guest *guest);
void guest_set_reset(struct guest *guest, uint64_t time_ms);

#endif

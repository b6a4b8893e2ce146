/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One guest: its QMP session, who it is, what it can do, how it fares. */
#ifndef AUTOBALLOON_GUEST_H
#define AUTOBALLOON_GUEST_H

#include "policy.h"
#include "qmp.h"

#define GUEST_PATH_MAX 512
#define GUEST_NAME_MAX 64

enum guest_phase {
	GUEST_OFF,		/* no session; the next attempt is at retry_ms */
	GUEST_GREETING,		/* connected, QEMU has not spoken yet */
	GUEST_PROBING,		/* asking what there is */
	GUEST_READY,
};

/* Commands, the more urgent first: a bit each in "wants". */
enum guest_command {
	CMD_CAPABILITIES,
	CMD_BALLOON,
	CMD_QUERY_BALLOON,
	CMD_STATUS,
	CMD_NAME,
	CMD_UUID,
	CMD_SIZE,
	CMD_MEMORY_DEVICES,
	CMD_CPUS,
	CMD_DEVICES,
	CMD_DEVICES_ANON,
	CMD_RAMBLOCK,
	CMD_VIRTIO,
	CMD_VIRTIO_STATUS,
	CMD_OFFERED,		/* only where x-query-virtio is missing */
	CMD_INTERVAL,
	CMD_STATS,
	CMD_MIGRATE,
	CMD_QUEUE,
	CMD_DISKS,
	NR_COMMANDS
};

struct guest {
	bool used;
	char path[GUEST_PATH_MAX];
	char shown[GUEST_PATH_MAX];	/* the same, fit for logs and terminals */
	bool found;			/* in a directory, not named in the configuration */
	bool open_place;		/* others may make sockets there: names are the files' */
	struct qmp qmp;
	enum guest_phase phase;
	bool probed;			/* identity is known */
	uint64_t retry_ms;
	uint64_t backoff_ms;
	int last_error;			/* of the last attempt, -errno, 0: none */
	bool no_greeting;		/* another client holds the socket */
	uint64_t since_ms;		/* when the phase began */

	/* commands */
	uint32_t wants;
	int in_flight;			/* a command, -1: none */
	uint64_t in_flight_id;
	uint64_t in_flight_ms;
	uint64_t errors;		/* error replies and broken sessions */
	char error[120];		/* of QEMU's last error reply */
	bool refused;			/* QEMU did not take the last target */
	uint64_t received_before;	/* bytes, up to the last tick */
	uint64_t poll_ms;		/* next ordinary poll */
	uint64_t process_ms;		/* next look at QEMU's process while nothing goes on */
	uint64_t refresh_ms;		/* next look at things that seldom change */
	uint64_t target;		/* to be sent by CMD_BALLOON */
	uint64_t sent_ms;		/* when QEMU had accepted the last target */

	/* identity */
	char name[GUEST_NAME_MAX];	/* never empty once probed */
	char uuid[40];
	pid_t peer;			/* who made the socket, 0: unknown */
	uint64_t peer_start;
	pid_t pid;			/* of QEMU, 0: unknown */
	bool launcher;			/* the process is too small to be QEMU */
	uint64_t pid_start;		/* its start time, tells reused ids apart */

	/* facts */
	char device[128];		/* QOM path of the balloon */
	bool has_device;
	bool virtio_known;		/* QEMU has x-query-virtio-status */
	bool driver_ok;
	bool offers_reporting, offers_oom, offers_stats, offers_hint;
	bool has_reporting, has_oom, has_stats, has_poison;
	bool running;
	bool migrating;
	bool assigned;
	char run_state[24];
	uint64_t base;			/* memory at boot, bytes */
	uint64_t plugged;		/* since then, as QEMU's summary has it */
	bool devices_known;		/* the next two are */
	uint64_t dimms;			/* of it, that the balloon can reach */
	uint64_t beside;		/* of it, that it cannot: virtio-mem */
	uint64_t ram;			/* all of it, but what is no memory (NVDIMM) */
	uint64_t actual;		/* the same without the balloon */
	uint64_t risen;			/* as QEMU says, until RAM is known anew, 0: none */
	uint64_t actual_high;		/* largest since the latest statistics came */
	uint64_t stats_actual;		/* actual that the latest statistics are about */
	uint64_t page_size;		/* of the memory behind the guest, 0: unknown */
	uint64_t rss;			/* anonymous and shared, UNSET: unknown */
	uint64_t locked;		/* bytes */
	bool outside;
	unsigned int last_used_idx;	/* of the reporting queue, 16 bit */
	bool used_idx_known;
	uint64_t reports;		/* buffers the guest has reported */
	bool watch_disks;		/* ask what its disks read: right-sizing goes by it */
	bool disks_refused;		/* an answer too long, or none */
	uint64_t disk_reads;		/* bytes ever, UNSET: unknown */

	/* statistics */
	struct policy_stats stats;
	uint64_t stats_update;		/* seconds, QEMU's wall clock */
	uint64_t stats_ms;		/* our clock, 0: never */
	uint64_t stats_seq;
	uint64_t interval_s;		/* wanted */
	uint64_t interval_set_s;	/* QEMU has it, 0: not yet */
	uint64_t interval_age_s;	/* that the latest statistics came with */
	uint64_t reset_seq;
	uint64_t reset_ms;
	uint64_t pulled_ms;		/* last BALLOON_CHANGE */
};

void guest_init(struct guest *guest, const char *path, bool found);
void guest_free(struct guest *guest);
int guest_connect(struct guest *guest, uint64_t time_ms);
void guest_start(struct guest *guest, uint64_t time_ms);
void guest_fail(struct guest *guest, int err, uint64_t time_ms);
int guest_message(struct guest *guest, struct json_object *message, uint64_t time_ms);
int guest_input(struct guest *guest, uint64_t time_ms);
int guest_work(struct guest *guest, uint64_t time_ms);
int guest_tick(struct guest *guest, bool brisk, uint64_t idle_s, uint64_t time_ms);
void guest_set_target(struct guest *guest, uint64_t target);
void guest_observe(const struct guest *guest, struct policy_guest *out, uint64_t time_ms);
const char *guest_uuid(const struct guest *guest);
bool guest_floods(const struct guest *guest);
enum why guest_absent(const struct guest *guest);

#endif

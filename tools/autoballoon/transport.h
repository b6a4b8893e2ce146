/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How a guest is reached. A transport knows its hypervisor's words; what is asked
 * and when is the guest's business (guest.c), and nobody else's.
 *
 * A session is a connection to a unix socket with one command under way at a
 * time. Commands are the transport's own numbers, below 32, the more urgent first;
 * what is to be asked is a set of them in guest->wants. Answers and events are
 * noted in the guest's facts.
 */
#ifndef AUTOBALLOON_TRANSPORT_H
#define AUTOBALLOON_TRANSPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct guest;

#define WANT(command) (1U << (command))

/* What may be asked about a guest, in the words of no transport. */
enum topic {
	TOPIC_ALL,		/* who it is and what it has, at the session's start */
	TOPIC_TARGET,		/* the size that it should have: guest->target */
	TOPIC_ACTUAL,		/* the size that it has */
	TOPIC_STATS,
	TOPIC_PERIOD,		/* how often it sends them: guest->interval_s */
	TOPIC_STATE,		/* what may change at any time without an event */
	TOPIC_FACTS,		/* what seldom changes */
	TOPIC_DISKS,		/* what its disks have read */
};

struct transport {
	const char *name;		/* in the configuration and in answers */
	const char *no_stats;		/* why there may be none, for the doctor; NULL: nothing special */
	bool greets;			/* the other end speaks first */
	bool relayed;			/* the other end is not the guest's hypervisor */
	/* Make guest->session for a link that is connected. Returns 0, or -errno. */
	int (*open)(struct guest *guest);
	/* The link ends; guest->last_error says why, if there is an error. */
	void (*close)(struct guest *guest);
	/* The commands that answer a topic, of those that make sense now; may be none. */
	uint32_t (*commands)(const struct guest *guest, enum topic topic);
	/* Send a command: guest_sent() when it is under way. Returns 0, or -errno. */
	int (*ask)(struct guest *guest, unsigned int command, uint64_t time_ms);
	/* Take what has come in: answers and events. Returns 0, or -errno. */
	int (*receive)(struct guest *guest, const char *data, size_t len, uint64_t time_ms);
};

/* In the order of the configuration's words. */
enum transport_id {
	TRANSPORT_QMP,
	TRANSPORT_LIBVIRT,
	TRANSPORT_FIRECRACKER,
	TRANSPORT_CLOUD_HYPERVISOR,
	NR_TRANSPORTS
};

extern const struct transport transport_qmp;
extern const struct transport transport_libvirt;
extern const struct transport transport_firecracker;
extern const struct transport transport_cloud_hypervisor;

const struct transport *transport_of(enum transport_id id);

#endif

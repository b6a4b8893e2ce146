// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Guests of libvirt, by way of autoballoon-libvirt, a program of its own: libvirt's
 * calls may block, and its library is large. It makes a socket for each domain
 * that runs, and speaks QMP's form there with commands of its own:
 *
 *	greeting	{"autoballoon": {"manager": "libvirt"}}
 *	query-guest	who it is and what it has; see done_guest()
 *	query-stats	"actual", and statistics as QEMU has them
 *	query-disks	"rd_bytes", of all disks
 *	set-size	"value", bytes
 *	set-period	"value", seconds between statistics
 *	events		BALLOON (its size changes), CHANGED (ask anew), RESET
 *
 * Neither the driver nor what it negotiated can be seen: what the domain offers
 * counts as taken, and statistics prove that there is a driver.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "reply.h"
#include "talk.h"

#define SANE_RAM_MAX ((uint64_t)1 << 56)

enum command { CMD_TARGET, CMD_GUEST, CMD_PERIOD, CMD_STATS, CMD_DISKS, NR_COMMANDS };

static void done_target(struct guest *guest, struct json_object *ret, uint64_t time_ms)
{
	(void)ret;
	guest_set_accepted(guest, time_ms);
}

static void done_guest(struct guest *guest, struct json_object *ret, uint64_t time_ms)
{
	const char *name = reply_string(ret, "name"), *state = reply_string(ret, "state");
	uint64_t number, ram;
	bool flag;

	(void)time_ms;
	if (name && *name)
		guest_set_name(guest, name);
	guest_set_uuid(guest, reply_string(ret, "uuid"));
	if (state && reply_bool(ret, "running", &flag))
		guest_set_run_state(guest, state, flag);
	if (reply_u64(ret, "ram", &ram) && ram <= SANE_RAM_MAX)
		guest->ram = ram;
	if (reply_u64(ret, "actual", &number))
		guest_set_actual(guest, number);
	if (reply_u64(ret, "pid", &number) && number && number <= INT32_MAX &&
	    (pid_t)number != guest->pid)
		guest_set_process(guest, (pid_t)number);
	if (reply_u64(ret, "page_size", &number))
		guest->page_size = number;
	if (reply_bool(ret, "locked", &flag))
		guest->mem_locked = flag;
	reply_bool(ret, "migrating", &guest->migrating);
	reply_bool(ret, "assigned", &guest->assigned);
	if (!reply_bool(ret, "balloon", &guest->has_device))
		guest->has_device = false;
	copy_string(guest->device, sizeof(guest->device), guest->has_device ? "memballoon" : "");
	if (reply_bool(ret, "reporting", &guest->offers_reporting))
		guest->has_reporting = guest->offers_reporting;
	if (reply_bool(ret, "autodeflate", &guest->offers_oom))
		guest->has_oom = guest->offers_oom;
	guest->offers_stats = guest->has_device;
}

static void done_period(struct guest *guest, struct json_object *ret, uint64_t time_ms)
{
	(void)ret;
	(void)time_ms;
	guest_set_interval(guest);
}

static void done_stats(struct guest *guest, struct json_object *ret, uint64_t time_ms)
{
	uint64_t actual;

	if (reply_u64(ret, "actual", &actual))
		guest_set_actual(guest, actual);
	talk_set_stats(guest, ret, time_ms);
	/* Whether there is a driver shows in them alone. */
	guest->driver_ok = guest->stats_ms != 0;
}

static void done_disks(struct guest *guest, struct json_object *ret, uint64_t time_ms)
{
	(void)time_ms;
	reply_u64(ret, "rd_bytes", &guest->disk_reads);
}

static void failed_disks(struct guest *guest)
{
	guest->disks_refused = true;
}

static const struct talk_command commands[NR_COMMANDS] = {
	[CMD_TARGET] = { "set-size", done_target, guest_set_refused },
	[CMD_GUEST] = { "query-guest", done_guest, NULL },
	[CMD_PERIOD] = { "set-period", done_period, NULL },
	[CMD_STATS] = { "query-stats", done_stats, NULL },
	[CMD_DISKS] = { "query-disks", done_disks, failed_disks },
};

static uint32_t wanted(const struct guest *guest, enum topic topic)
{
	(void)guest;
	switch (topic) {
	case TOPIC_ALL:
		return WANT(CMD_GUEST) | WANT(CMD_STATS);
	case TOPIC_FACTS:
		return WANT(CMD_GUEST);
	case TOPIC_TARGET:
		return WANT(CMD_TARGET);
	case TOPIC_ACTUAL:
	case TOPIC_STATS:
		return WANT(CMD_STATS);
	case TOPIC_PERIOD:
		return WANT(CMD_PERIOD);
	case TOPIC_DISKS:
		return WANT(CMD_DISKS);
	default:
		return 0;	/* TOPIC_STATE: there are events */
	}
}

static int ask(struct guest *guest, unsigned int command, uint64_t time_ms)
{
	char arguments[64] = "";

	if (command == CMD_TARGET || command == CMD_PERIOD)
		snprintf(arguments, sizeof(arguments), ",\"arguments\":{\"value\":%" PRIu64 "}",
			 command == CMD_TARGET ? guest->target : guest->interval_s);
	return talk_ask(guest, commands, command, arguments, time_ms);
}

static void take_event(struct guest *guest, const char *event, struct json_object *data,
		       uint64_t time_ms)
{
	bool running;

	if (!strcmp(event, "BALLOON")) {
		guest_want(guest, TOPIC_ACTUAL);
		guest->pulled_ms = time_ms;
	} else if (!strcmp(event, "RESET")) {
		guest_set_reset(guest, time_ms);
	} else if (!strcmp(event, "CHANGED")) {
		if (reply_bool(data, "running", &running) && !running)
			guest->running = false;
		guest_want(guest, TOPIC_FACTS);
		/* libvirtd may have forgotten it meanwhile. */
		if (guest->has_device)
			guest_want(guest, TOPIC_PERIOD);
	}
}

struct input {
	struct guest *guest;
	uint64_t time_ms;
};

static int on_message(void *data, struct json_object *message)
{
	struct input *input = data;
	struct guest *guest = input->guest;
	const char *event = reply_string(message, "event");

	if (guest->phase == GUEST_GREETING) {
		if (!reply_object(message, "autoballoon"))
			return -EPROTO;
		guest_greeted(guest, input->time_ms);
	} else if (event) {
		take_event(guest, event, reply_object(message, "data"), input->time_ms);
	} else {
		talk_reply(guest, commands, message, input->time_ms);
	}
	return guest_work(guest, input->time_ms);
}

static int receive(struct guest *guest, const char *data, size_t len, uint64_t time_ms)
{
	struct input input = { guest, time_ms };

	return qmp_feed(guest->session, data, len, on_message, &input);
}

static int open_session(struct guest *guest)
{
	guest->session = qmp_new();
	return guest->session ? 0 : -ENOMEM;
}

static void close_session(struct guest *guest)
{
	qmp_free(guest->session);
}

const struct transport transport_libvirt = {
	.name = "libvirt",
	.greets = true,
	.relayed = true,
	.open = open_session,
	.close = close_session,
	.commands = wanted,
	.ask = ask,
	.receive = receive,
};

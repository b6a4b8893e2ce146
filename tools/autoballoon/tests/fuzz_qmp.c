// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Feeds mutated QMP input to the parser and to a guest's state machine.
 *
 *	fuzz_qmp SECONDS [SEED]
 *
 * The mutations are a function of the seed, which is printed, so that a
 * failure can be repeated. Build it with sanitizers: they are the judge. One
 * thing is checked here as well: a guest never asks its QEMU for a size outside
 * of its limits, whatever it was told.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fuzz.h"
#include "fuzz_policy.h"
#include "guest_qmp.h"
#include "log.h"
#include "qmp.h"

/* A conversation as QEMU 7.2 has it; ids follow the order of the questions. */
static const char *const talk[] = {
	"{\"QMP\": {\"version\": {\"qemu\": {\"micro\": 22, \"minor\": 2, \"major\": 7}, "
	"\"package\": \"Debian\"}, \"capabilities\": [\"oob\"]}}\r\n",
	"{\"return\": {}, \"id\": 1}\r\n",
	"{\"return\": {\"actual\": 1073741824}, \"id\": 2}\r\n",
	"{\"return\": {\"status\": \"running\", \"singlestep\": false, \"running\": true}, \"id\": 2}\r\n",
	"{\"return\": {\"name\": \"web\"}, \"id\": 3}\r\n",
	"{\"return\": {\"UUID\": \"6ba7b810-9dad-11d1-80b4-00c04fd430c8\"}, \"id\": 4}\r\n",
	"{\"return\": {\"base-memory\": 1073741824, \"plugged-memory\": 0}, \"id\": 5}\r\n",
	"{\"return\": [{\"name\": \"b0\", \"type\": \"child<virtio-balloon-pci>\"}], \"id\": 6}\r\n",
	"{\"return\": [{\"name\": \"d0\", \"type\": \"child<vfio-pci>\"}], \"id\": 7}\r\n",
	"{\"return\": \"Block Name PSize\\r\\n pc.ram 2 MiB 0x0 0x40000000 0x40000000\\r\\n\", \"id\": 8}\r\n",
	"{\"return\": [{\"name\": \"virtio-balloon\", \"path\": \"/machine/peripheral/b0/virtio-backend\"}], \"id\": 9}\r\n",
	"{\"return\": {\"host-features\": {\"dev-features\": [\"VIRTIO_BALLOON_F_REPORTING: x\"]}, "
	"\"guest-features\": {\"dev-features\": [\"VIRTIO_BALLOON_F_REPORTING\"]}, \"status\": "
	"{\"statuses\": [\"VIRTIO_CONFIG_S_DRIVER_OK: ready\"]}}, \"id\": 11}\r\n",
	"{\"return\": {\"stats\": {\"stat-total-memory\": 1026387968, \"stat-free-memory\": 734003200, "
	"\"stat-available-memory\": 838860800, \"stat-disk-caches\": 104857600, \"stat-swap-in\": "
	"18446744073709551615, \"stat-major-faults\": 12}, \"last-update\": 1700000000}, \"id\": 13}\r\n",
	"{\"return\": {\"used-idx\": 65535}, \"id\": 14}\r\n",
	"{\"return\": {\"status\": \"active\"}, \"id\": 15}\r\n",
	"{\"return\": [{\"device\": \"d0\", \"stats\": {\"rd_bytes\": 18446744073709551615}}, "
	"{\"stats\": {\"rd_bytes\": 4096}}], \"id\": 16}\r\n",
	"{\"error\": {\"class\": \"CommandNotFound\", \"desc\": \"no\"}, \"id\": 10}\r\n",
	"{\"timestamp\": {\"seconds\": 1, \"microseconds\": 2}, \"event\": \"BALLOON_CHANGE\", \"data\": "
	"{\"actual\": 18446744073709551615}}\r\n",
	"{\"event\": \"RESET\"}\r\n{\"event\": \"STOP\"}\r\n{\"event\": \"DEVICE_DELETED\", \"data\": {}}\r\n",
	"{\"event\": \"MIGRATION\", \"data\": {\"status\": \"setup\"}}\r\n",
};

static const char *const words[] = {
	"0", "-1", "18446744073709551615", "18446744073709551616", "9223372036854775808", "1e999",
	"null", "true", "{}", "[]", "\"\"", "\"\\u0000\"", "\"\\ud800\"", "{\"id\":", "\"id\": 1",
	"\"actual\"", "[[[[[[[[[[[[[[[[[[", "\r\n", "\\", "\"", "NaN", "Infinity", "//", "/*",
};

struct run {
	struct guest *guest;
	uint64_t time_ms;
};

static int on_message(void *data, struct json_object *message)
{
	struct run *run = data;

	/* Let replies match what was asked, or hardly any would be looked at. */
	if (rnd() % 4 && run->guest->in_flight >= 0)
		json_object_object_add(message, "id",
				       json_object_new_uint64(run->guest->in_flight_id));
	return guest_qmp_message(run->guest, message, run->time_ms);
}

static void run_guest(const char *data, size_t len)
{
	struct qmp *qmp = qmp_new();
	struct guest guest;
	struct run run = { &guest, 1000 };
	char sink[65536];
	int fds[2], err = 0;
	size_t at = 0;

	guest_init(&guest, &transport_qmp, "/run/x.qmp", true);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds))
		abort();
	guest.link.fd = fds[0];
	if (guest_start(&guest, run.time_ms))
		abort();
	guest.watch_disks = rnd() % 2;
	while (at < len && !err) {
		size_t piece = min_u64(rnd() % 3 ? len : rnd() % 40 + 1, len - at);

		err = qmp_feed(qmp, data + at, piece, on_message, &run);
		at += piece;
		run.time_ms += rnd() % 2000;
		if (!err)
			err = guest_tick(&guest, rnd() % 2, 5, run.time_ms);
		check_policy(&guest, run.time_ms);
		while (read(fds[1], sink, sizeof(sink)) > 0)
			;
	}
	if (err)
		guest_fail(&guest, err, run.time_ms);
	check_policy(&guest, run.time_ms);
	guest_free(&guest);
	qmp_free(qmp);
	close(fds[1]);
}

int main(int argc, char **argv)
{
	static char buf[64 * 1024 + 1];
	uint64_t end = fuzz_start(argc, argv, 1), runs = 0;

	if (!end) {
		fprintf(stderr, "usage: fuzz_qmp SECONDS [SEED]\n");
		return 2;
	}
	log_setup(LOG_PRIO_ERROR);
	for (; now_ms() < end; runs++) {
		size_t len = build_text(talk, ARRAY_SIZE(talk), buf, sizeof(buf) - 1);

		len = mutate(buf, len, sizeof(buf) - 1, words, ARRAY_SIZE(words));
		run_guest(buf, len);
	}
	printf("%" PRIu64 " runs\n", runs);
	return 0;
}

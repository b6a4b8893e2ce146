// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Feeds mutated answers to guests of libvirt, Firecracker and Cloud Hypervisor.
 *
 *	fuzz_transports libvirt|firecracker|cloud-hypervisor SECONDS [SEED]
 *
 * Sanitizers are the judge, as in fuzz_qmp; and no guest may be asked for a size
 * out of its limits, whatever it was told.
 */
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fuzz.h"
#include "fuzz_policy.h"
#include "guest.h"
#include "log.h"

static const char *const libvirt[] = {
	"{\"name\":\"web\",\"uuid\":\"6ba7b810-9dad-11d1-80b4-00c04fd430c8\",\"pid\":7,\"ram\":1073741824,"
	"\"actual\":1073741824,\"state\":\"running\",\"running\":true,\"migrating\":false,\"balloon\":true,"
	"\"reporting\":true,\"autodeflate\":true,\"locked\":false,\"assigned\":false,\"page_size\":4096}",
	"{\"actual\":1073741824,\"last-update\":1700000000,\"stats\":{\"stat-total-memory\":1026387968,"
	"\"stat-free-memory\":734003200,\"stat-available-memory\":838860800,\"stat-swap-in\":"
	"18446744073709551615}}",
	"{}", "{\"rd_bytes\":4096}",
};

static const char *const firecracker[] = {
	"{\"app_name\":\"Firecracker\",\"id\":\"web\",\"state\":\"Running\",\"vmm_version\":\"1.14.0\"}",
	"{\"vcpu_count\":2,\"mem_size_mib\":1024,\"smt\":false,\"huge_pages\":\"None\"}",
	"{\"amount_mib\":0,\"deflate_on_oom\":true,\"stats_polling_interval_s\":1,"
	"\"free_page_reporting\":false}",
	"{\"target_mib\":0,\"actual_mib\":0,\"swap_in\":0,\"major_faults\":10,\"free_memory\":734003200,"
	"\"total_memory\":1026387968,\"available_memory\":838860800}",
};

static const char *const cloud_hypervisor[] = {
	"{\"config\":{\"memory\":{\"size\":1073741824,\"hotplugged_size\":null,\"hugepages\":false,"
	"\"zones\":[{\"id\":\"a\",\"size\":4096}]},\"balloon\":{\"size\":0,\"deflate_on_oom\":true,"
	"\"free_page_reporting\":true},\"devices\":[],\"platform\":{\"uuid\":\"x\"}},"
	"\"state\":\"Running\",\"memory_actual_size\":1073741824}",
	"{\"balloon_actual\":0,\"last_update\":1700000000000,\"stats\":{\"free_memory\":734003200,"
	"\"total_memory\":1026387968,\"available_memory\":838860800,\"oom_kills\":0}}",
};

static const char *const words[] = {
	"0", "-1", "18446744073709551615", "18446744073709551616", "1e999", "null", "true", "{}", "[]",
	"\"\"", "\"\\u0000\"", "[[[[[[[[[[[[[[[[[[", "\r\n", "\r\n\r\n", "\\", "\"", "HTTP/1.1 204 \r\n\r\n",
	"Content-Length: 3\r\n", "Transfer-Encoding: chunked\r\n", "\"actual\":", "\"event\":\"RESET\",",
	"{\"event\":\"CHANGED\"}\n", "{\"event\":\"BALLOON\"}\n", ": ",
};

static const struct target {
	const struct transport *transport;
	const char *const *answers;
	size_t nr;
} targets[] = {
	{ &transport_libvirt, libvirt, ARRAY_SIZE(libvirt) },
	{ &transport_firecracker, firecracker, ARRAY_SIZE(firecracker) },
	{ &transport_cloud_hypervisor, cloud_hypervisor, ARRAY_SIZE(cloud_hypervisor) },
};

/* An answer to what was asked: mutated inside, around it, or not at all. */
static size_t make_answer(const struct target *t, const struct guest *guest, char *buf, size_t size)
{
	static char body[4096];
	size_t index = guest->in_flight >= 0 && rnd() % 4 ? (size_t)guest->in_flight : rnd();
	size_t len;

	/* The answers' order is that of the questions, except for those without a body. */
	len = (size_t)snprintf(body, sizeof(body), "%s", t->answers[(index ? index - 1 : 0) % t->nr]);
	if (rnd() % 2)
		len = mutate(body, len, sizeof(body) - 1, words, ARRAY_SIZE(words));
	body[len] = '\0';
	if (t->transport == &transport_libvirt)
		len = (size_t)snprintf(buf, size, "{\"%s\":%s,\"id\":%" PRIu64 "}\n",
				       rnd() % 8 ? "return" : "error", body, guest->in_flight_id);
	else if (rnd() % 8)
		len = (size_t)snprintf(buf, size, "HTTP/1.1 %d \r\nServer: x\r\nContent-Length: %zu\r\n\r\n%s",
				       rnd() % 8 ? 200 : 400, len, body);
	else
		len = (size_t)snprintf(buf, size, "HTTP/1.1 204 \r\n\r\n");
	len = min_u64(len, size - 1);
	if (!(rnd() % 4))
		len = mutate(buf, len, size - 1, words, ARRAY_SIZE(words));
	return len;
}

static void run_guest(const struct target *t)
{
	static char buf[8192], sink[65536];
	struct guest guest;
	uint64_t time_ms = 1000;
	int fds[2], err = 0, rounds = (int)(rnd() % 30);

	guest_init(&guest, t->transport, "/run/x.sock", true);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds))
		abort();
	guest.link.fd = fds[0];
	if (guest_start(&guest, time_ms))
		abort();
	if (t->transport->greets)
		err = t->transport->receive(&guest, "{\"autoballoon\":{}}\n", 19, time_ms);
	while (rounds-- && !err) {
		size_t len = make_answer(t, &guest, buf, sizeof(buf)), at = 0;

		if (rnd() % 8 == 0)
			guest_set_target(&guest, rnd());
		err = guest_tick(&guest, rnd() % 2, 5, time_ms);
		while (at < len && !err) {
			size_t piece = min_u64(rnd() % 3 ? len : rnd() % 40 + 1, len - at);

			err = t->transport->receive(&guest, buf + at, piece, time_ms);
			at += piece;
		}
		check_policy(&guest, time_ms);
		time_ms += rnd() % 2000;
		while (read(fds[1], sink, sizeof(sink)) > 0)
			;
	}
	if (err)
		guest_fail(&guest, err, time_ms);
	check_policy(&guest, time_ms);
	guest_free(&guest);
	close(fds[1]);
}

int main(int argc, char **argv)
{
	uint64_t end = 0, runs = 0;
	const struct target *t;

	for (t = targets; t < targets + ARRAY_SIZE(targets); t++)
		if (argc > 1 && !strcmp(t->transport->name, argv[1]))
			break;
	if (t < targets + ARRAY_SIZE(targets))
		end = fuzz_start(argc, argv, 2);
	if (!end) {
		fprintf(stderr, "usage: fuzz_transports libvirt|firecracker|cloud-hypervisor SECONDS "
			"[SEED]\n");
		return 2;
	}
	log_setup(LOG_PRIO_ERROR);
	for (; now_ms() < end; runs++)
		run_guest(t);
	printf("%s: %" PRIu64 " runs\n", t->transport->name, runs);
	return 0;
}

// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What guests of all transports have in common, with a transport that only notes
 * what it is asked; HTTP answers; and what is read from a domain's XML.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "guest.h"
#include "http.h"
#include "libvirt/domain_xml.h"
#include "log.h"
#include "reply.h"

/* The fake's command for a topic is the topic; the most urgent is the target. */
static unsigned int asked[64], nr_asked, closed;
static int open_error;
static const enum topic order[] = { TOPIC_TARGET, TOPIC_ACTUAL, TOPIC_STATS, TOPIC_PERIOD,
				    TOPIC_STATE, TOPIC_FACTS, TOPIC_DISKS };

static int fake_open(struct guest *guest)
{
	if (open_error)
		return open_error;
	guest->session = guest;
	return 0;
}

static void fake_close(struct guest *guest)
{
	(void)guest;
	closed++;
}

static uint32_t fake_commands(const struct guest *guest, enum topic topic)
{
	unsigned int i;

	(void)guest;
	if (topic == TOPIC_ALL)
		return WANT(TOPIC_STATE) | WANT(TOPIC_FACTS);
	for (i = 0; order[i] != topic;)
		i++;
	return WANT(topic);
}

static int fake_ask(struct guest *guest, unsigned int command, uint64_t time_ms)
{
	asked[nr_asked++ % ARRAY_SIZE(asked)] = command;
	guest_sent(guest, command, time_ms);
	return 0;
}

/* "r": the answer to what is under way; "b": a balloon is there; "x": nonsense. */
static int fake_receive(struct guest *guest, const char *data, size_t len, uint64_t time_ms)
{
	(void)len;
	if (*data == 'x')
		return -EPROTO;
	guest->has_device |= *data == 'b';
	if (guest->in_flight == (int)TOPIC_TARGET)
		guest_set_accepted(guest, time_ms);
	if (guest->in_flight == (int)TOPIC_PERIOD)
		guest_set_interval(guest);
	guest->in_flight = -1;
	return 0;
}

static const struct transport fake = {
	.name = "fake", .open = fake_open, .close = fake_close, .commands = fake_commands,
	.ask = fake_ask, .receive = fake_receive,
};

static struct guest guest;
static int other;	/* the other end */
static uint64_t now;

static void begin(void)
{
	int fds[2];

	nr_asked = 0;
	closed = 0;
	now = 1000;
	guest_init(&guest, &fake, "/run/x.sock", true);
	assert_false(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds));
	guest.link.fd = fds[0];
	other = fds[1];
	assert_false(guest_start(&guest, now));
	assert_false(guest_work(&guest, now));
}

static void end(void)
{
	guest_free(&guest);
	close(other);
}

static int hear(const char *text)
{
	assert_int_equal(write(other, text, strlen(text)), strlen(text));
	return guest_input(&guest, now);
}

static void make_ready(void)
{
	begin();
	assert_false(hear("b"));
	assert_false(hear("r"));
	assert_int_equal(guest.phase, GUEST_READY);
	nr_asked = 0;
}

static void test_first_everything_is_asked(void **state)
{
	(void)state;
	begin();
	assert_int_equal(guest.phase, GUEST_PROBING);
	assert_int_equal(guest_absent(&guest), WHY_PROBING);
	assert_int_equal(nr_asked, 1);
	assert_int_equal(asked[0], TOPIC_STATE);
	assert_false(hear("r"));
	assert_int_equal(asked[1], TOPIC_FACTS);
	assert_false(hear("r"));
	assert_int_equal(nr_asked, 2);
	assert_int_equal(guest_absent(&guest), WHY_NONE);
	assert_string_equal(guest.name, "x");
	end();
	assert_int_equal(closed, 1);
}

static void test_a_target_goes_first_and_the_newest_counts(void **state)
{
	(void)state;
	make_ready();
	guest_want(&guest, TOPIC_STATS);
	assert_false(guest_work(&guest, now));
	guest_want(&guest, TOPIC_FACTS);
	guest_set_target(&guest, GIB);
	guest_set_target(&guest, 2 * GIB);
	assert_false(guest_work(&guest, now));
	assert_int_equal(nr_asked, 1);		/* one at a time */
	assert_true(guest_target_waits(&guest));
	assert_false(hear("r"));
	assert_int_equal(asked[1], TOPIC_TARGET);
	assert_int_equal(guest.target, 2 * GIB);
	assert_true(guest_target_waits(&guest));
	assert_false(hear("r"));
	assert_false(guest_target_waits(&guest));
	/* Then what came of it. */
	assert_int_equal(asked[2], TOPIC_ACTUAL);
	assert_false(hear("r"));
	assert_int_equal(asked[3], TOPIC_FACTS);
	end();
}

static void answer_all(void)
{
	while (guest.in_flight >= 0)
		assert_false(hear("r"));
}

static unsigned int count(enum topic topic)
{
	unsigned int i, n = 0;

	for (i = 0; i < nr_asked && i < ARRAY_SIZE(asked); i++)
		n += asked[i] == (unsigned int)topic;
	return n;
}

static void test_polls(void **state)
{
	unsigned int t;

	(void)state;
	for (int brisk = 0; brisk < 2; brisk++) {
		make_ready();
		guest.driver_ok = true;
		for (t = 0; t < 20; t++) {
			assert_false(guest_tick(&guest, brisk, 5, now));
			answer_all();
			now += 1000;
		}
		assert_in_range(count(TOPIC_STATS), brisk ? 19 : 4, brisk ? 20 : 5);
		assert_in_range(count(TOPIC_ACTUAL), brisk ? 19 : 1, brisk ? 20 : 3);
		assert_int_equal(count(TOPIC_DISKS), 0);
		assert_true(count(TOPIC_FACTS) >= 1);
		end();
	}
}

static void test_silence_and_nonsense_end_the_session(void **state)
{
	uint64_t pause = 500;
	unsigned int i;

	(void)state;
	make_ready();
	guest_want(&guest, TOPIC_STATS);
	assert_false(guest_work(&guest, now));
	now += 10000;
	assert_int_equal(guest_tick(&guest, false, 5, now), -ETIMEDOUT);
	end();
	make_ready();
	assert_int_equal(hear("x"), -EPROTO);
	/* Later and later. */
	for (i = 0; i < 8; i++) {
		guest_fail(&guest, -EPROTO, now);
		assert_int_equal(guest.retry_ms, now + pause);
		assert_int_equal(guest_absent(&guest), WHY_NOT_CONNECTED);
		pause = pause < 16000 ? 2 * pause : 30000;
	}
	assert_int_equal(closed, 1);
	assert_int_equal(guest.link.fd, -1);
	end();
	/* A session that cannot be made is no session. */
	open_error = -ENOMEM;
	guest_init(&guest, &fake, "/run/x.sock", true);
	guest.link.fd = dup(0);
	assert_int_equal(guest_start(&guest, now), -ENOMEM);
	open_error = 0;
	closed = 0;
	guest_free(&guest);
	assert_int_equal(closed, 0);
}

static unsigned int answers, status;
static uint64_t number;
static char error_text[128];

static int on_answer(void *data, const struct http *answer)
{
	(void)data;
	answers++;
	status = answer->status;
	reply_u64(answer->json, "n", &number);
	snprintf(error_text, sizeof(error_text), "%s", answer->text);
	return 0;
}

static int feed(const char *text, size_t piece)
{
	struct http *http = http_new();
	size_t len = strlen(text), at;
	int err = 0;

	answers = 0;
	number = 0;
	for (at = 0; at < len && !err; at += piece)
		err = http_feed(http, text + at, min_u64(piece, len - at), on_answer, NULL);
	http_free(http);
	return err;
}

static void test_http(void **state)
{
	static const struct {
		const char *text;
		int err;
		unsigned int answers, status;
		uint64_t number;
	} cases[] = {
		{ "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n{\"n\":5}", 0, 1, 200, 5 },
		{ "HTTP/1.1 200 \r\ncontent-length:9 \r\nX: y\r\n\r\n {\"n\":5}\n", 0, 1, 200, 5 },
		{ "HTTP/1.0 204 No Content\r\n\r\n", 0, 1, 204, 0 },
		{ "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 \r\n\r\n", 0, 1, 204, 0 },
		{ "HTTP/1.1 204 \r\n\r\nHTTP/1.1 400 \r\nContent-Length: 2\r\n\r\nno", 0, 2, 400, 0 },
		{ "HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n", 0, 1, 200, 0 },
		{ "HTTP/1.1 200 \r\nContent-Length: 131073\r\n\r\n", -EMSGSIZE, 0, 0, 0 },
		{ "HTTP/1.1 200 \r\nContent-Length: -1\r\n\r\n", -EPROTO, 0, 0, 0 },
		{ "HTTP/1.1 200 \r\nContent-Length: 2\r\n\r\n[]", -EPROTO, 0, 0, 0 },
		{ "HTTP/1.1 200 \r\nContent-Length: 4\r\n\r\n{}{}", -EPROTO, 0, 0, 0 },
		{ "HTTP/1.1 200 \r\nContent-Length: 1\r\n\r\n{", -EPROTO, 0, 0, 0 },
		{ "HTTP/1.1 200 \r\nTransfer-Encoding: chunked\r\n\r\n", -EPROTO, 0, 0, 0 },
		{ "HTTP/1.1 200 \r\nno colon\r\n\r\n", -EPROTO, 0, 0, 0 },
		{ "HTTP/1.1 20x \r\n\r\n", -EPROTO, 0, 0, 0 },
		{ "HTTP/2 200 \r\n\r\n", -EPROTO, 0, 0, 0 },
	};
	size_t i, piece;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		for (piece = 1; piece < 100; piece += 7) {
			assert_int_equal(feed(cases[i].text, piece), cases[i].err);
			assert_int_equal(answers, cases[i].answers);
			if (answers)
				assert_int_equal(status, cases[i].status);
			assert_int_equal(number, cases[i].number);
		}
	}
	assert_false(feed("HTTP/1.1 400 \r\nContent-Length: 5\r\n\r\nwrong", 3));
	assert_string_equal(error_text, "wrong");
}

static struct domain_xml read_xml(const char *text)
{
	struct domain_xml xml;
	char *copy = strdup(text);

	domain_xml_read(copy, &xml);
	free(copy);
	return xml;
}

static void test_domain_xml(void **state)
{
	struct domain_xml xml;

	(void)state;
	xml = read_xml("<domain type='kvm'><memory unit='KiB'>1</memory><devices>\n"
		       "<memballoon model='virtio' autodeflate='on' freePageReporting='on'>\n"
		       "  <stats period='10'/></memballoon></devices></domain>");
	assert_true(xml.balloon && xml.autodeflate && xml.reporting);
	assert_int_equal(xml.period_s, 10);
	assert_int_equal(xml.page_size, 4096);
	assert_false(xml.locked || xml.assigned);

	xml = read_xml("<domain><memoryBacking><hugepages><page size='1' unit='G'/></hugepages>"
		       "<locked/></memoryBacking><devices><memballoon model=\"virtio-non-transitional\"/>"
		       "<interface type='hostdev' managed='yes'/></devices></domain>");
	assert_true(xml.balloon && xml.locked && xml.assigned);
	assert_false(xml.autodeflate || xml.reporting);
	assert_int_equal(xml.page_size, GIB);
	assert_int_equal(xml.period_s, 0);

	/* What users write is not libvirt's word. */
	xml = read_xml("<domain><metadata><memballoon model='virtio'/><hostdev/></metadata>"
		       "<devices><memballoon model='none'/></devices></domain>");
	assert_false(xml.balloon || xml.assigned);
	xml = read_xml("<domain><devices><hostdev mode='subsystem'/><memory model='virtio-mem'/>"
		       "<memballoon model='virtio'/></devices></domain>");
	assert_true(xml.assigned);
	assert_false(xml.balloon);
	xml = read_xml("<domain><devices><memballoon model='virtio");
	xml = read_xml("<memballoon model=<<>'\"");
	xml = read_xml("");
	assert_false(xml.balloon);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_first_everything_is_asked),
		cmocka_unit_test(test_a_target_goes_first_and_the_newest_counts),
		cmocka_unit_test(test_polls),
		cmocka_unit_test(test_silence_and_nonsense_end_the_session),
		cmocka_unit_test(test_http),
		cmocka_unit_test(test_domain_xml),
	};

	log_setup(LOG_PRIO_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

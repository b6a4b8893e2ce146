// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The daemon's engine with a hundred guests, or AUTOBALLOON_GUESTS of them, for an
 * hour of simulated time: what it costs, and that nothing grows. Both ends of every
 * QMP session live in this process and time is what the test says, so that the hour
 * takes seconds.
 *
 * Also the parts that are easier to test from inside than through a socket:
 * state lines, sizes.
 */
#include <errno.h>
#include <inttypes.h>
#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "engine.h"
#include "log.h"
#include "state.h"

#define GUESTS_MAX 1000
#define RAM "1073741824"

/* The linker puts these in place of the real clocks (-Wl,--wrap). */
uint64_t __wrap_now_ms(void);
time_t __wrap_time(time_t *at);

static uint64_t fake_ms = 1000000;

uint64_t __wrap_now_ms(void)
{
	return fake_ms;
}

time_t __wrap_time(time_t *at)
{
	time_t now = (time_t)(1700000000 + fake_ms / 1000);

	if (at)
		*at = now;
	return now;
}

#ifndef __SANITIZE_ADDRESS__
/* The whole program's allocator, libraries included, with an end that can be set. */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *old, size_t size);
void __libc_free(void *memory);

static size_t in_use, limit = SIZE_MAX;
static unsigned int nr_failed;

static bool is_over(size_t size)
{
	if (limit == SIZE_MAX || (size <= limit && in_use <= limit - size))
		return false;
	nr_failed++;
	return true;
}

static void *count(void *memory)
{
	in_use += malloc_usable_size(memory);
	return memory;
}

void *malloc(size_t size)
{
	return is_over(size) ? NULL : count(__libc_malloc(size));
}

void *calloc(size_t n, size_t size)
{
	return is_over(n * size) ? NULL : count(__libc_calloc(n, size));
}

void *realloc(void *old, size_t size)
{
	size_t before = malloc_usable_size(old);
	void *memory;

	if (is_over(size))
		return NULL;
	memory = count(__libc_realloc(old, size));
	if (memory)
		in_use -= before;
	return memory;
}

void free(void *memory)
{
	in_use -= malloc_usable_size(memory);
	__libc_free(memory);
}
#endif

static struct fake {
	int listener, fd;
	char in[4096];
	size_t len;
	unsigned int balloons;
} fakes[GUESTS_MAX];

static unsigned int nr_guests = 100;

static bool may_hang_up;

static void say(struct fake *fake, const char *text)
{
	if (send(fake->fd, text, strlen(text), MSG_NOSIGNAL) < 0 && !may_hang_up)
		fail_msg("the daemon has hung up");
}

static void reply(struct fake *fake, const char *line)
{
	static const struct {
		const char *command, *answer;
	} answers[] = {
		{ "\"query-balloon\"", "{\"actual\": " RAM "}" },
		{ "\"query-memory-size-summary\"", "{\"base-memory\": " RAM "}" },
		{ "\"query-status\"", "{\"status\": \"running\", \"running\": true}" },
		{ "\"x-query-virtio\"", "[{\"name\": \"virtio-balloon\", \"path\": \"/machine/b\"}]" },
		{ "\"x-query-virtio-status\"",
		  "{\"host-features\": {\"dev-features\": [\"VIRTIO_BALLOON_F_STATS_VQ: s\"]}, "
		  "\"guest-features\": {\"dev-features\": [\"VIRTIO_BALLOON_F_STATS_VQ: s\"]}, "
		  "\"status\": {\"statuses\": [\"VIRTIO_CONFIG_S_DRIVER_OK: d\"]}}" },
	};
	const char *id = strstr(line, "\"id\":"), *answer = "{}";
	char text[1024], stats[512];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(answers); i++)
		if (strstr(line, answers[i].command))
			answer = answers[i].answer;
	if (strstr(line, "\"balloon\""))
		fake->balloons++;
	if (strstr(line, "guest-stats\"")) {
		snprintf(stats, sizeof(stats), "{\"stats\": {\"stat-htlb-pgalloc\": "
			 "18446744073709551615, \"stat-swap-out\": 0, \"stat-available-memory\": "
			 "800000000, \"stat-htlb-pgfail\": 18446744073709551615, "
			 "\"stat-free-memory\": 700000000, \"stat-minor-faults\": 123456, "
			 "\"stat-major-faults\": 12, \"stat-total-memory\": 1000000000, "
			 "\"stat-swap-in\": 0, \"stat-disk-caches\": 100000000}, "
			 "\"last-update\": %ld}", (long)time(NULL));
		answer = stats;
	}
	snprintf(text, sizeof(text), "{\"return\": %s, %.*s}\r\n", answer,
		 id ? (int)strcspn(id, "}\r") : 0, id ? id : "");
	say(fake, text);
}

/* Answer everything that was asked. Returns whether there was anything. */
static bool serve(struct fake *fake)
{
	char *end;
	ssize_t n;

	if (fake->fd < 0) {
		fake->fd = accept4(fake->listener, NULL, NULL, SOCK_NONBLOCK);
		if (fake->fd < 0)
			return false;
		say(fake, "{\"QMP\": {\"version\": {}, \"capabilities\": []}}\r\n");
		return true;
	}
	n = recv(fake->fd, fake->in + fake->len, sizeof(fake->in) - 1 - fake->len, MSG_DONTWAIT);
	if (!n && may_hang_up) {
		close(fake->fd);
		fake->fd = -1;
		fake->len = 0;
	}
	if (n <= 0)
		return false;
	fake->len += (size_t)n;
	fake->in[fake->len] = '\0';
	while ((end = strchr(fake->in, '\n'))) {
		*end++ = '\0';
		reply(fake, fake->in);
		fake->len -= (size_t)(end - fake->in);
		memmove(fake->in, end, fake->len + 1);
	}
	return true;
}

static void open_fakes(const char *dir)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	unsigned int i;

	for (i = 0; i < nr_guests; i++) {
		snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/vm%u.qmp", dir, i);
		fakes[i].fd = -1;
		fakes[i].listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
		assert_false(bind(fakes[i].listener, (struct sockaddr *)&addr, sizeof(addr)));
		assert_false(listen(fakes[i].listener, 1));
		engine_guest_there(&transport_qmp, addr.sun_path, true);
	}
}

static void close_fakes(const char *dir)
{
	char path[256];
	unsigned int i;

	for (i = 0; i < nr_guests; i++) {
		snprintf(path, sizeof(path), "%s/vm%u.qmp", dir, i);
		unlink(path);
		close(fakes[i].fd);
		close(fakes[i].listener);
	}
	snprintf(path, sizeof(path), "%s/state", dir);
	unlink(path);
	rmdir(dir);
}

static double cpu_seconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* One simulated second. Returns the processor time the engine took. */
static double second(void)
{
	double start = cpu_seconds(), spent;
	bool busy = true;
	unsigned int i, k;

	fake_ms += 1000;
	engine_tick(fake_ms);
	spent = cpu_seconds() - start;
	while (busy) {
		busy = false;
		for (i = 0; i < nr_guests; i++)
			busy |= serve(&fakes[i]);
		start = cpu_seconds();
		for (k = 0; busy && k < 2 * nr_guests; k++)
			loop_run_once(0);
		if (engine.step_wanted)
			engine_step(fake_ms);
		spent += cpu_seconds() - start;
	}
	return spent;
}

static long resident_kib(void)
{
	char text[4096];
	uint64_t rss = 0;

	read_text("/proc/self/status", text, sizeof(text));
	text_field_u64(text, "VmRSS:", &rss);
	return (long)rss;
}

static char dir[32];

/* A hundred guests whose statistics are in. */
static int start_engine(void **state)
{
	unsigned int i;

	(void)state;
	log_setup(LOG_PRIO_ERROR);
	memset(&engine, 0, sizeof(engine));
	strcpy(dir, "/tmp/autoballoon-test-XXXXXX");
	assert_non_null(mkdtemp(dir));
	config_defaults(&engine.config);
	assert_false(config_check(&engine.config));
	engine.config.source = SOURCE_NONE;
	snprintf(engine.config.run_dir, sizeof(engine.config.run_dir), "%s", dir);
	for (i = LEVEL_LOW; i < NR_LEVELS; i++)
		engine.config.available[i] = (struct amount){ .percent = -1, .bytes = 0 };
	assert_false(loop_open());
	assert_false(pressure_open(&engine.config, engine_pressure));
	open_fakes(dir);
	for (i = 0; i < 120; i++)
		second();
	for (i = 0; i < nr_guests; i++)
		assert_true(engine.result.verdict[i].stats_usable);
	return 0;
}

static int stop_engine(void **state)
{
	(void)state;
	engine_close();
	loop_close();
	close_fakes(dir);
	return 0;
}

static void test_hour_with_hundred_guests(void **state)
{
	long rss_before, rss_after;
	size_t heap_before, heap_after;
	double spent = 0;
	unsigned int i;

	(void)state;
	heap_before = mallinfo2().uordblks;
	rss_before = resident_kib();
	for (i = 0; i < 3600; i++)
		spent += second();
	heap_after = mallinfo2().uordblks;
	rss_after = resident_kib();
	print_message("an hour with %u guests: %.2f s of processor time (%.3f %% of a core), heap "
		      "%zu -> %zu KiB, resident %ld -> %ld KiB\n", nr_guests, spent, spent / 36,
		      heap_before >> 10, heap_after >> 10, rss_before, rss_after);
	for (i = 0; i < nr_guests; i++) {
		assert_true(engine.result.verdict[i].stats_usable);
		assert_int_equal(fakes[i].balloons, 0);
	}
#ifndef __SANITIZE_ADDRESS__
	assert_true(spent < 3600 * (nr_guests > 100 ? 0.03 : 0.005));
	assert_true(rss_after < (nr_guests > 100 ? 32 : 16) * 1024);
	assert_true(heap_after <= heap_before + 16 * KIB);
	assert_true(rss_after <= rss_before + 64);
#endif
}

/* Tasks wait somewhere on the host, which has plenty: no guest pays for it. */
static void test_stalls_of_an_idle_host(void **state)
{
	unsigned int i, t;

	(void)state;
	engine.config.available[LEVEL_LOW] = (struct amount){ .percent = -1, .bytes = 4096 };
	for (t = 0; t < 60; t++) {
		engine_pressure(LEVEL_CRITICAL, "psi");
		second();
	}
	assert_int_equal(engine.events[LEVEL_CRITICAL], 0);
	assert_int_equal(engine.ignored[LEVEL_CRITICAL], 60);
	assert_int_equal(engine.level.now, LEVEL_NONE);
	for (i = 0; i < nr_guests; i++)
		assert_int_equal(fakes[i].balloons, 0);
	/* When it is short, it is believed, and the first give is not due at once. */
	engine.config.available[LEVEL_LOW] = (struct amount){ .percent = 100 };
	engine_pressure(LEVEL_CRITICAL, "psi");
	assert_int_equal(engine.events[LEVEL_CRITICAL], 1);
	assert_true(engine.level.since_ms > 0);
}

/* Without memory sessions may end, but targets and limits stay. */
static void test_memory_runs_out(void **state)
{
#ifndef __SANITIZE_ADDRESS__
	static const size_t left[] = { 0, 100, 1000, 10000, 30000, 100000, 300000 };
	unsigned int i, k, t;

	(void)state;
	may_hang_up = true;
	for (i = 0; i < nr_guests; i++)
		engine.slots[i].saved->word.hold = 900 * MIB;
	second();
	for (i = 0; i < nr_guests; i++) {
		assert_int_equal(engine.memory[i].target, 900 * MIB);
		assert_int_equal(fakes[i].balloons, 1);
	}
	for (k = 0; k < ARRAY_SIZE(left); k++) {
		limit = in_use + left[k];
		for (t = 0; t < 60; t++)
			second();
		limit = SIZE_MAX;
		for (i = 0; i < nr_guests; i++) {
			assert_true(engine.slots[i].guest.used);
			assert_int_equal(engine_word(&engine.slots[i])->hold, 900 * MIB);
			assert_in_range(engine.memory[i].target, 256 * MIB, GIB);
		}
	}
	print_message("%u allocations failed\n", nr_failed);
	assert_true(nr_failed > 1000);
	/* With memory again, everybody is back, at the latest after the longest pause. */
	for (t = 0; t < 60; t++)
		second();
	for (i = 0; i < nr_guests; i++)
		assert_true(engine.result.verdict[i].stats_usable);
	may_hang_up = false;
#else
	(void)state;
#endif
}

static bool parse_line(const char *text, struct saved_guest *saved)
{
	char line[256];

	snprintf(line, sizeof(line), "%s", text);
	return state_parse(line, saved);
}

static void test_state_lines(void **state)
{
	static const char *const bad[] = {
		"", "name=", "uuid=-", "name=web pid=-1", "name=web enabled=2", "name=web target=x",
		"name=web automatic=maybe", "name=web hold=-1", "name=web more", "name=web  pid=1",
		"name=web pid=99999999999", "name=web target=18446744073709551615",
	};
	struct saved_guest saved;
	size_t i;

	(void)state;
	assert_true(parse_line("name=web uuid=- pid=1 start=2 target=3 full=9 automatic=on set=5 "
			       "hold=4 min=6 max=7 later=thing", &saved));
	assert_string_equal(saved.name, "web");
	assert_string_equal(saved.uuid, "");
	assert_int_equal(saved.target, 3);
	assert_int_equal(saved.full, 9);
	assert_int_equal(saved.word.automatic, WORD_ENABLED);
	assert_int_equal(saved.word.set, 5);
	assert_int_equal(saved.word.hold, 4);
	assert_int_equal(saved.word.min, 6);
	assert_int_equal(saved.word.max, 7);
	/* As version 1 wrote it. */
	assert_true(parse_line("name=web uuid=- pid=1 start=2 target=3 hold=4 enabled=0 manual=1",
			       &saved));
	assert_int_equal(saved.word.automatic, WORD_DISABLED);
	assert_int_equal(saved.word.set, 3);
	for (i = 0; i < ARRAY_SIZE(bad); i++)
		assert_false(parse_line(bad[i], &saved));
}

/* More guests come and go than there is room for: those that nothing was said about go first. */
static void test_state_table(void **state)
{
	struct saved_host host = { 0 };
	struct saved_guest *saved;
	char place[] = "/tmp/autoballoon-test-XXXXXX", path[64], name[32];
	unsigned int i;

	(void)state;
	log_setup(LOG_PRIO_ERROR);
	assert_non_null(mkdtemp(place));
	assert_int_equal(state_load(place, "", &host), -ENOENT);
	saved = state_claim("first", "");
	saved->word.hold = GIB;
	state_leave(saved);
	for (i = 0; i < 2 * STATE_MAX; i++) {
		snprintf(name, sizeof(name), "guest%u", i);
		saved = state_claim(name, "");
		saved->word.set = i % 2;
		state_leave(saved);
		if (i < STATE_MAX)
			assert_non_null(state_find_absent("first"));
	}
	host.suspended = true;
	assert_false(state_save(place, &host));
	memset(&host, 0, sizeof(host));
	assert_false(state_load("/nonexistent", place, &host));
	assert_true(host.suspended);
	snprintf(name, sizeof(name), "guest%u", 2 * STATE_MAX - 1);
	assert_non_null(state_find_absent(name));
	/* A new UUID is a new machine, but the word is about the name; a UUID tells more. */
	saved = state_claim(name, "6ba7b810-9dad-11d1-80b4-00c04fd430c8");
	assert_int_equal(saved->word.set, 1);
	state_leave(saved);
	saved = state_claim("renamed", "6ba7b810-9dad-11d1-80b4-00c04fd430c8");
	assert_int_equal(saved->word.set, 1);
	snprintf(path, sizeof(path), "%s/state", place);
	unlink(path);
	rmdir(place);
	state_load(place, "", &host);
}

static void test_sizes_and_times(void **state)
{
	static const struct {
		const char *text;
		uint64_t bytes;
	} sizes[] = {
		{ "0", 0 }, { "4096", 4096 }, { "16M", 16 * MIB }, { "1.5G", 1536 * MIB },
		{ "2GiB", 2 * GIB }, { "8kb", 8192 },
	};
	static const char *const bad[] = {
		"", "-1", "M", "1X", "1MM", "0x10", "nan", "inf", "1e30", "99999999T", " 1",
	};
	struct amount amount;
	uint64_t value;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		assert_int_equal(parse_size(sizes[i].text, &value), 0);
		assert_int_equal(value, sizes[i].bytes);
	}
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_true(parse_size(bad[i], &value) < 0);
		assert_true(parse_amount(bad[i], &amount) < 0);
	}
	assert_int_equal(parse_amount("25%", &amount), 0);
	assert_int_equal(amount_of(&amount, 1000), 250);
	assert_true(parse_amount("101%", &amount) < 0);
	assert_int_equal(parse_time_ms("250ms", &value), 0);
	assert_int_equal(value, 250);
	assert_int_equal(parse_time_ms("1.5m", &value), 0);
	assert_int_equal(value, 90000);
	assert_true(parse_time_ms("5 s", &value) < 0);
	assert_int_equal(percent_of(UINT64_MAX / 200, 100), UINT64_MAX / 200);
}

/* A listener and both ends of a session for each guest. */
static void raise_limit(void)
{
	struct rlimit files;

	if (!getrlimit(RLIMIT_NOFILE, &files)) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
}

int main(void)
{
	const struct CMUnitTest hour[] = {
		cmocka_unit_test_setup_teardown(test_hour_with_hundred_guests, start_engine,
						stop_engine),
	};
	const char *guests = getenv("AUTOBALLOON_GUESTS");
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_state_lines),
		cmocka_unit_test(test_state_table),
		cmocka_unit_test(test_sizes_and_times),
		cmocka_unit_test_setup_teardown(test_hour_with_hundred_guests, start_engine,
						stop_engine),
		cmocka_unit_test_setup_teardown(test_stalls_of_an_idle_host, start_engine,
						stop_engine),
		cmocka_unit_test_setup_teardown(test_memory_runs_out, start_engine, stop_engine),
	};

	if (guests) {
		nr_guests = (unsigned int)min_u64(strtoul(guests, NULL, 10), GUESTS_MAX);
		raise_limit();
		return cmocka_run_group_tests(hour, NULL, NULL);
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}

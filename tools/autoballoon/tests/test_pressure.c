// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Where host pressure comes from: cgroups of both versions as trees of ordinary
 * files, so that every layout can be had on every host, and the token bucket and
 * the floors.
 */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "log.h"
#include "loop.h"
#include "pressure.h"
#include "proc.h"

#define NO_LIMIT_V1 "9223372036854771712\n"

static struct config config;
static char top[] = "/tmp/autoballoon-cgroup-XXXXXX";

/* A file below "top", in directories that are made; NULL as text removes it. */
static void put(const char *name, const char *text)
{
	char path[512];
	char *slash;
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", top, name);
	for (slash = strchr(path + strlen(top) + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		mkdir(path, 0700);
		*slash = '/';
	}
	if (!text) {
		unlink(path);
		return;
	}
	file = fopen(path, "w");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static void ignore(enum level level, const char *source)
{
	(void)level;
	(void)source;
}

static void watch(const char *cgroup, const char *memory)
{
	config.cgroup[0] = '\0';
	config.cgroup_memory[0] = '\0';
	if (cgroup)
		snprintf(config.cgroup, sizeof(config.cgroup), "%s/%s", top, cgroup);
	if (memory)
		snprintf(config.cgroup_memory, sizeof(config.cgroup_memory), "%s/%s", top, memory);
	pressure_open(&config, ignore);
}

static int setup(void **state)
{
	int level;

	(void)state;
	log_setup(LOG_PRIO_ERROR);
	memcpy(top + strlen(top) - 6, "XXXXXX", 6);
	assert_non_null(mkdtemp(top));
	config_defaults(&config);
	config.source = SOURCE_NONE;
	/* The test machine's own memory is not to play a part. */
	for (level = LEVEL_LOW; level < NR_LEVELS; level++)
		config.available[level] = (struct amount){ .percent = -1, .bytes = 0 };
	return loop_open();
}

static int teardown(void **state)
{
	char command[64];

	(void)state;
	pressure_close();
	loop_close();
	snprintf(command, sizeof(command), "rm -r %s", top);
	return system(command);
}

static struct pressure_sample look(void)
{
	struct pressure_sample sample;

	pressure_sample(&sample);
	return sample;
}

/* A slice of 1000 MiB with a scope in it that has no limit of its own. */
static void make_v2(void)
{
	put("slice/memory.current", "943718400\n");
	put("slice/memory.max", "1048576000\n");
	put("slice/memory.high", "max\n");
	put("slice/memory.stat", "anon 500\nfile 400\nkernel 7\ninactive_anon 0\n"
	    "active_anon 0\ninactive_file 0\nactive_file 0\nunevictable 0\n");
	put("slice/memory.pressure", "some avg10=0.00 avg60=0.00 avg300=0.00 total=1234567\n"
	    "full avg10=0.00 avg60=0.00 avg300=0.00 total=76543\n");
	put("slice/vm.scope/memory.current", "104857600\n");
	put("slice/vm.scope/memory.max", "max\n");
	put("slice/vm.scope/memory.high", "max\n");
	put("slice/vm.scope/memory.stat", "anon 500\n");
	put("slice/vm.scope/memory.pressure", "some avg10=0.00 avg60=0.00 avg300=0.00 total=5\n"
	    "full avg10=0.00 avg60=0.00 avg300=0.00 total=0\n");
}

static void test_v2_limit(void **state)
{
	struct pressure_sample sample;

	(void)state;
	make_v2();
	watch("slice", NULL);
	sample = look();
	assert_int_equal(sample.limit, 1000 * MIB);
	assert_int_equal(sample.usage, 900 * MIB);
	assert_int_equal(sample.headroom, 100 * MIB);
	assert_int_equal(sample.headroom_low, 100 * MIB);
	assert_int_equal(sample.level, LEVEL_NONE);
	assert_int_equal(sample.some_us, 1234567);
	assert_int_equal(sample.full_us, 76543);

	put("slice/memory.current", "1010827264\n");
	sample = look();
	assert_int_equal(sample.headroom, 36 * MIB);
	assert_int_equal(sample.level, LEVEL_MEDIUM);
	assert_string_equal(sample.floor, "cgroup-headroom");

	/* Cache that goes easily is not in the way: all that is inactive, half of the rest. */
	put("slice/memory.stat", "anon 5\ninactive_file 104857600\nactive_file 41943040\n");
	assert_int_equal(look().headroom, 156 * MIB);
	assert_int_equal(look().level, LEVEL_NONE);
}

static void test_v2_high_is_a_limit_too(void **state)
{
	(void)state;
	make_v2();
	watch("slice", NULL);
	put("slice/memory.high", "954204160\n");
	assert_int_equal(look().limit, 910 * MIB);
	assert_int_equal(look().headroom, 10 * MIB);
	assert_int_equal(look().level, LEVEL_CRITICAL);
	/* Over it, which happens: nothing is left, not a great deal. */
	put("slice/memory.current", "996147200\n");
	assert_int_equal(look().headroom, 0);
	put("slice/memory.max", "max\n");
	assert_int_equal(look().limit, 910 * MIB);
}

static void test_v2_max_is_no_limit(void **state)
{
	struct pressure_sample sample;

	(void)state;
	make_v2();
	put("slice/memory.max", "max\n");
	watch("slice", NULL);
	sample = look();
	assert_int_equal(sample.usage, 900 * MIB);
	assert_true(sample.limit == UNSET);
	assert_int_equal(sample.level, LEVEL_NONE);
	/* What is left is the host's then. */
	assert_int_equal(sample.headroom, sample.available);
}

static void test_v2_limit_from_above(void **state)
{
	(void)state;
	make_v2();
	watch("slice/vm.scope", NULL);
	assert_int_equal(look().limit, 1000 * MIB);
	assert_int_equal(look().headroom, 100 * MIB);
	assert_int_equal(look().some_us, 5);
	/* The tighter one of the two. */
	put("slice/vm.scope/memory.max", "125829120\n");
	assert_int_equal(look().limit, 120 * MIB);
	assert_int_equal(look().usage, 100 * MIB);
	assert_int_equal(look().headroom, 20 * MIB);
	put("slice/vm.scope/memory.max", "524288000\n");
	assert_int_equal(look().limit, 1000 * MIB);
	/* However its directory is written. */
	watch("slice//vm.scope//", NULL);
	assert_int_equal(look().limit, 1000 * MIB);
}

static void test_v2_without_the_controller(void **state)
{
	struct pressure_sample sample;

	(void)state;
	put("unified/memory.pressure", "some avg10=0.00 avg60=0.00 avg300=0.00 total=42\n"
	    "full avg10=0.00 avg60=0.00 avg300=0.00 total=7\n");
	watch("unified", NULL);
	sample = look();
	assert_true(sample.usage == UNSET && sample.limit == UNSET);
	assert_int_equal(sample.some_us, 42);
	/* Hybrid: stalls from here, usage and limit from the v1 twin. */
	put("memory/memory.usage_in_bytes", "943718400\n");
	put("memory/memory.limit_in_bytes", "1048576000\n");
	put("memory/memory.stat", "inactive_file 1\ntotal_inactive_file 52428800\n");
	watch("unified", "memory");
	sample = look();
	assert_int_equal(sample.headroom, 150 * MIB);
	assert_int_equal(sample.some_us, 42);
	put("memory/memory.limit_in_bytes", NO_LIMIT_V1);
	assert_true(look().limit == UNSET);
}

static void test_damaged_files(void **state)
{
	static const char *const texts[] = { "", "\n", "maximum\n", "-1\n", "12 34\n", "x", NULL };
	static const char *const names[] = {
		"slice/memory.max", "slice/memory.high", "slice/memory.current",
		"slice/memory.stat", "slice/memory.pressure",
	};
	struct pressure_sample sample;
	size_t i, k;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(names); i++) {
		for (k = 0; k < ARRAY_SIZE(texts); k++) {
			make_v2();
			put(names[i], texts[k]);
			watch("slice", NULL);
			sample = look();
			/* Unknown is never taken for pressure. */
			assert_int_equal(sample.level, LEVEL_NONE);
			assert_true(sample.limit == 1000 * MIB || sample.limit == UNSET);
			assert_true(sample.some_us == 1234567 || sample.some_us == UNSET);
		}
	}
	/* Kernels before 5.13 have no "full" line everywhere. */
	make_v2();
	put("slice/memory.pressure", "some avg10=0.00 avg60=0.00 avg300=0.00 total=9\n");
	assert_int_equal(look().some_us, 9);
	assert_true(look().full_us == UNSET);
}

static void test_trigger_that_cannot_be(void **state)
{
	(void)state;
	config.source = SOURCE_PSI;
	watch("nowhere", NULL);
	assert_false(pressure_armed(LEVEL_LOW));
	assert_non_null(strstr(pressure_problem(), "No such file"));
	/* Not a file that the kernel can watch; it is tried again at each tick. */
	make_v2();
	watch("slice", NULL);
	assert_false(pressure_armed(LEVEL_LOW));
	assert_non_null(strstr(pressure_problem(), "PSI trigger"));
}

/* One that is refused is told, though the others are in place. */
static void test_one_trigger_of_three(void **state)
{
	(void)state;
	if (access("/proc/pressure/memory", W_OK))
		skip();
	config.source = SOURCE_PSI;
	config.psi[LEVEL_LOW].window_ms = 60000;
	watch(NULL, NULL);
	assert_false(pressure_armed(LEVEL_LOW));
	assert_true(pressure_armed(LEVEL_MEDIUM));
	assert_non_null(strstr(pressure_problem(), "low"));
	config.psi[LEVEL_LOW].window_ms = 10000;
	pressure_tick();
	assert_true(pressure_armed(LEVEL_LOW));
	assert_null(pressure_problem());
}

static void test_members(void **state)
{
	char pid[32], dirs[2][128];
	const char *both[2] = { dirs[0], dirs[1] };

	(void)state;
	snprintf(pid, sizeof(pid), "1\n%d\n", (int)getpid());
	snprintf(dirs[0], sizeof(dirs[0]), "%s/slice", top);
	snprintf(dirs[1], sizeof(dirs[1]), "%s/memory", top);
	put("slice/cgroup.procs", "");
	put("slice/a.scope/cgroup.procs", "1\n2\n");
	assert_false(proc_in_cgroup(getpid(), both, 2));
	/* As libvirt has it: the scope, and a group of threads in it. */
	put("slice/b.scope/libvirt/cgroup.procs", pid);
	assert_true(proc_in_cgroup(getpid(), both, 1));
	put("slice/b.scope/libvirt/cgroup.procs", "2\n");
	assert_false(proc_in_cgroup(getpid(), both, 2));
	put("memory/vm/cgroup.procs", pid);
	assert_true(proc_in_cgroup(getpid(), both, 2));
	assert_false(proc_in_cgroup(0, both, 2));
}

static void test_token_bucket(void **state)
{
	struct token_bucket bucket = { 0 };
	unsigned int passed = 0, t;

	(void)state;
	/* The stream of page cache that was measured: 1564 events in a minute. */
	for (t = 0; t < 1564; t++)
		passed += token_take(&bucket, 1, 12, 2, 1000 + t * 38);
	assert_in_range(passed, 12, 14);
	assert_int_equal(token_take(&bucket, 1000, 12, 2, 10000000), 2);
	assert_int_equal(token_take(&bucket, 1, 12, 2, 10000000), 0);
}

static void test_floors(void **state)
{
	static const struct amount floors[NR_LEVELS] = {
		[LEVEL_LOW] = { .percent = 10 },
		[LEVEL_MEDIUM] = { .percent = 5 },
		[LEVEL_CRITICAL] = { .bytes = 1000, .percent = -1 },
	};

	(void)state;
	assert_int_equal(floor_level(100000, 1000000, floors), LEVEL_NONE);
	assert_int_equal(floor_level(99999, 1000000, floors), LEVEL_LOW);
	assert_int_equal(floor_level(49999, 1000000, floors), LEVEL_MEDIUM);
	assert_int_equal(floor_level(999, 1000000, floors), LEVEL_CRITICAL);
}

/* A stall speaks of the host only while the host is near its floor. */
static void test_believed(void **state)
{
	(void)state;
	assert_false(pressure_believed(900 * MIB, 100 * MIB, false));
	assert_false(pressure_believed(200 * MIB, 100 * MIB, false));
	assert_true(pressure_believed(199 * MIB, 100 * MIB, false));
	assert_true(pressure_believed(0, 100 * MIB, false));
	/* Of the cgroup that is watched it always does, and if nothing else is known. */
	assert_true(pressure_believed(900 * MIB, 100 * MIB, true));
	assert_true(pressure_believed(UNSET, 0, false));
	assert_true(pressure_believed(900 * MIB, 0, false));
}

/* 116 GiB of 128 are huge pages: six of the other twelve are plenty. */
static void test_huge_pages_are_no_memory(void **state)
{
	static const struct amount floors[NR_LEVELS] = {
		[LEVEL_LOW] = { .percent = 10 }, [LEVEL_MEDIUM] = { .percent = 5 },
		[LEVEL_CRITICAL] = { .percent = 3 },
	};
	uint64_t available, total;

	(void)state;
	assert_true(meminfo_parse("MemTotal:       134217728 kB\nMemAvailable:    6291456 kB\n"
				  "HugePages_Total:     116\nHugepagesize:    1048576 kB\n"
				  "Hugetlb:        121634816 kB\n", &available, &total));
	assert_int_equal(available, 6 * GIB);
	assert_int_equal(total, 12 * GIB);
	assert_int_equal(floor_level(available, total, floors), LEVEL_NONE);
	assert_int_equal(floor_level(GIB / 4, total, floors), LEVEL_CRITICAL);
	/* Older kernels have no such line. */
	assert_true(meminfo_parse("MemTotal: 4 kB\nMemAvailable: 2 kB\n", &available, &total));
	assert_int_equal(total, 4 * KIB);
	assert_false(meminfo_parse("MemTotal: 4 kB\n", &available, &total));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_token_bucket),
		cmocka_unit_test(test_floors),
		cmocka_unit_test(test_believed),
		cmocka_unit_test(test_huge_pages_are_no_memory),
		cmocka_unit_test_setup_teardown(test_v2_limit, setup, teardown),
		cmocka_unit_test_setup_teardown(test_v2_high_is_a_limit_too, setup, teardown),
		cmocka_unit_test_setup_teardown(test_v2_max_is_no_limit, setup, teardown),
		cmocka_unit_test_setup_teardown(test_v2_limit_from_above, setup, teardown),
		cmocka_unit_test_setup_teardown(test_v2_without_the_controller, setup, teardown),
		cmocka_unit_test_setup_teardown(test_damaged_files, setup, teardown),
		cmocka_unit_test_setup_teardown(test_trigger_that_cannot_be, setup, teardown),
		cmocka_unit_test_setup_teardown(test_one_trigger_of_three, setup, teardown),
		cmocka_unit_test_setup_teardown(test_members, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

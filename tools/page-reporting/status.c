// SPDX-License-Identifier: GPL-2.0-or-later
/* "status": the device, the knobs, all counters, and why memory is not reported. */
#include <inttypes.h>
#include <stdio.h>

#include "commands.h"
#include "json.h"
#include "snapshot.h"
#include "units.h"
#include "why.h"

#define MIB (1u << 20)

/* What is not there has said so on standard error. */
bool engine_usable(const struct engine *engine)
{
	if (engine->kind == ENGINE_FULL)
		return true;
	fprintf(stderr, "page-reporting: this kernel%s has no %s\n",
		engine->kind == ENGINE_UPSTREAM ? " reports free pages, but" : "",
		engine->kind == ENGINE_UPSTREAM ? "counters and no flush" :
		"free page reporting");
	return false;
}

static const char *const kind_names[] = {
	[DEVICE_NONE] = "none",
	[DEVICE_VIRTIO] = "virtio",
	[DEVICE_HYPERV] = "hyperv",
};

static void print_features(const struct device *device, bool negotiated)
{
	unsigned int i, nr = 0;

	for (i = 0; i < NR_FEATURES; i++)
		if (device->feature[i] == negotiated)
			printf("%s%s", nr++ ? " " : "", feature_names[i]);
	puts(nr ? "" : "none");
}

static void print_device(const struct device *device)
{
	char actual[HUMAN_SIZE], target[HUMAN_SIZE];

	printf("%-15s", "device");
	if (device->kind == DEVICE_NONE) {
		puts("none");
		return;
	}
	printf("%s, ", device->name);
	if (device->driver[0])
		printf("driver %s%s\n", device->driver, device->ready ? "" : ", not ready");
	else
		puts("no driver");
	if (device->features_known) {
		printf("%-15s", "negotiated");
		print_features(device, true);
		printf("%-15s", "not negotiated");
		print_features(device, false);
	}
	if (device->has_balloon)
		printf("%-15s%s of %s, %s\n", "balloon",
		       human(actual, UNIT_BYTES, device->actual_bytes),
		       human(target, UNIT_BYTES, device->target_bytes), device->state);
}

/* Those that upstream has, too. */
static void print_granule_and_delay(const struct snapshot *shot)
{
	const struct engine *engine = &shot->engine;
	const struct number delay = { .known = engine->delay_ms.known,
				      .n = mul_sat(engine->delay_ms.n, 1000) };
	char text[HUMAN_SIZE];

	printf("%-15s%s", "granule", human_bytes(text, shot->granule));
	if (engine->order.known)
		printf(" (order %" PRIu64 ")\n", engine->order.n);
	else
		puts(" (no order chosen yet)");
	printf("%-15s%s\n", "delay", !delay.known && engine->kind == ENGINE_UPSTREAM ?
	       "not a setting of this kernel" : human(text, UNIT_US, delay));
}

static void print_knobs(const struct snapshot *shot)
{
	const struct engine *engine = &shot->engine;
	char text[HUMAN_SIZE];

	print_granule_and_delay(shot);
	printf("%-15s%s\n", "threshold", human(text, UNIT_BYTES, engine->threshold_bytes));
	printf("%-15s%s\n", "evacuation", !engine->evacuate.known ? "not in this kernel" :
	       engine->evacuate.n ? "on" : "off");
	if (engine->counter[HOST_US].known && engine->counter[REPORTED_BYTES_TOTAL].n >= MIB)
		printf("%-15s%" PRIu64 " us for a MiB, since boot\n", "host's cost",
		       engine->counter[HOST_US].n /
		       (engine->counter[REPORTED_BYTES_TOTAL].n / MIB));
	printf("%-15s%s\n", "paused", !engine->pause.known ? "?" : engine->pause.n ? "yes" : "no");
}

static void print_counters(const struct engine *engine)
{
	char text[HUMAN_SIZE];
	unsigned int i;

	for (i = 0; i < NR_COUNTERS; i++)
		if (engine->present[i])
			printf("  %-23s %12s  %s\n", counter_info[i].name,
			       human(text, unit_of_name(counter_info[i].name), engine->counter[i]),
			       counter_info[i].meaning);
	for (i = 0; i < engine->nr_extra; i++)
		printf("  %-23s %12s\n", engine->extra[i].name,
		       human(text, unit_of_name(engine->extra[i].name), engine->extra[i].value));
}

static void print_reasons(const struct reasons *reasons)
{
	unsigned int i;

	for (i = 0; i < reasons->nr; i++) {
		const struct reason *reason = &reasons->reason[i];
		char bytes[HUMAN_SIZE];

		if (reason->all)
			printf("  %12s  %s: %s\n", "all", reason->code, reason->text);
		else
			printf("  %12s  %s: %s\n", human(bytes, UNIT_BYTES, reason->bytes),
			       reason->code, reason->text);
	}
	if (!reasons->nr)
		puts("  nothing is: the host has all that is free");
}

static void print_text(const struct snapshot *shot, const struct reasons *reasons)
{
	char reported[HUMAN_SIZE], free[HUMAN_SIZE];

	printf("%-15s%s\n", "kernel", shot->place.release[0] ? shot->place.release : "?");
	print_device(&shot->device);
	if (shot->engine.kind == ENGINE_FULL) {
		print_knobs(shot);
		printf("\nThe host has %s of %s that are free.  Counters since boot:\n",
		       human(reported, UNIT_BYTES, shot->reported),
		       human(free, UNIT_BYTES, shot->memory.info[MEM_FREE]));
		print_counters(&shot->engine);
	} else if (shot->engine.kind == ENGINE_UPSTREAM) {
		print_granule_and_delay(shot);
		if (shot->memory.blocks_known)
			printf("\n%s of %s that are free are in whole granules.  This kernel does not tell how much of that the host has.\n",
			       human(reported, UNIT_BYTES, number_of(shot->memory.whole)),
			       human(free, UNIT_BYTES, shot->memory.info[MEM_FREE]));
	}
	puts("\nFree, but not reported now:");
	print_reasons(reasons);
}

static void json_device(const struct device *device)
{
	unsigned int i;

	json_open("device", '{');
	json_string("kind", kind_names[device->kind]);
	if (device->kind != DEVICE_NONE) {
		json_string("name", device->name);
		json_string("driver", device->driver);
		json_bool("ready", device->ready);
	}
	if (device->features_known) {
		json_open("features", '{');
		for (i = 0; i < NR_FEATURES; i++)
			json_bool(feature_names[i], device->feature[i]);
		json_close('}');
	}
	if (device->has_balloon) {
		json_open("balloon", '{');
		json_number("actual_bytes", device->actual_bytes);
		json_number("target_bytes", device->target_bytes);
		json_string("state", device->state);
		json_close('}');
	}
	json_close('}');
}

static void json_knobs(const struct snapshot *shot)
{
	const struct engine *engine = &shot->engine;

	json_open("knobs", '{');
	json_number("order", engine->order);
	json_u64("granule_bytes", shot->granule);
	json_number("delay_ms", engine->delay_ms);
	json_number("threshold_bytes", engine->threshold_bytes);
	json_number("evacuate", engine->evacuate);
	json_number("pause", engine->pause);
	json_close('}');
}

static void json_counters(const struct engine *engine)
{
	unsigned int i;

	json_open("counters", '{');
	for (i = 0; i < NR_COUNTERS; i++)
		if (engine->present[i])
			json_number(counter_info[i].name, engine->counter[i]);
	for (i = 0; i < engine->nr_extra; i++)
		json_number(engine->extra[i].name, engine->extra[i].value);
	json_close('}');
}

static void print_json(const struct snapshot *shot, const struct reasons *reasons)
{
	unsigned int i;

	json_open(NULL, '{');
	json_string("kernel", shot->place.release);
	json_string("engine", engine_names[shot->engine.kind]);
	json_device(&shot->device);
	if (shot->engine.kind != ENGINE_NONE)
		json_knobs(shot);
	if (shot->engine.kind == ENGINE_FULL)
		json_counters(&shot->engine);
	json_number("free_bytes", shot->memory.info[MEM_FREE]);
	json_number("waiting_bytes", shot->waiting);
	json_open("not_reported", '[');
	for (i = 0; i < reasons->nr; i++) {
		json_open(NULL, '{');
		json_string("code", reasons->reason[i].code);
		json_bool("all", reasons->reason[i].all);
		json_number("bytes", reasons->reason[i].bytes);
		json_string("text", reasons->reason[i].text);
		json_close('}');
	}
	json_close(']');
	json_close('}');
}

enum exit_status status_command(const struct options *options)
{
	static struct snapshot shot;
	struct reasons reasons;

	snapshot_read(&shot);
	why_not(&shot, &reasons);
	if (options->json)
		print_json(&shot, &reasons);
	else
		print_text(&shot, &reasons);
	fflush(stdout);
	return engine_usable(&shot.engine) ? STATUS_OK : STATUS_UNSUPPORTED;
}

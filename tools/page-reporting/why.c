// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Why memory that is free is not the host's: first what keeps a guest from
 * reporting at all, then what keeps some of its memory.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "units.h"
#include "why.h"

static void add(struct reasons *reasons, const char *code, bool all, struct number bytes,
		const char *fmt, ...) __attribute__((format(printf, 5, 6)));

static void add(struct reasons *reasons, const char *code, bool all, struct number bytes,
		const char *fmt, ...)
{
	struct reason *reason;
	va_list args;

	if (reasons->nr == MAX_REASONS)
		return;
	reason = &reasons->reason[reasons->nr++];
	reason->code = code;
	reason->all = all;
	reason->bytes = bytes;
	va_start(args, fmt);
	vsnprintf(reason->text, sizeof(reason->text), fmt, args);
	va_end(args);
}

static const struct number nothing;

/* A virtio balloon without the feature: who has dropped it? */
static void not_negotiated(const struct snapshot *shot, struct reasons *reasons)
{
	const struct device *device = &shot->device;

	if (shot->place.confidential)
		return;
	if ((shot->place.page_poison || shot->place.init_on_free) &&
	    !device->feature[FEATURE_PAGE_POISON])
		add(reasons, "poison", true, nothing,
		    "%s needs the feature page-poison, and the host does not offer it",
		    shot->place.page_poison ? "page_poison=1" : "init_on_free=1");
	else
		add(reasons, "not-negotiated", true, nothing,
		    "the host does not offer free-page-reporting on %s (QEMU: free-page-reporting=on)",
		    device->name);
}

static void device_reasons(const struct snapshot *shot, struct reasons *reasons)
{
	const struct device *device = &shot->device;

	if (device->kind == DEVICE_NONE) {
		add(reasons, "no-device", true, nothing,
		    "there is no balloon device (QEMU: -device virtio-balloon-pci,free-page-reporting=on)");
	} else if (!device->driver[0]) {
		add(reasons, "no-driver", true, nothing, "no driver is bound to %s%s", device->name,
		    device->kind == DEVICE_VIRTIO ? " (modprobe virtio_balloon)" : "");
	} else if (!device->ready) {
		add(reasons, "device-broken", true, nothing,
		    "the driver of %s has not brought the device up, or it is broken",
		    device->name);
	} else if (device->kind == DEVICE_VIRTIO && device->features_known) {
		if (!device->feature[FEATURE_REPORTING])
			not_negotiated(shot, reasons);
		else if (shot->place.page_poison && device->feature[FEATURE_PAGE_POISON])
			add(reasons, "poison", true, nothing,
			    "with page_poison=1 QEMU takes the reports and discards nothing (init_on_free=1 does no harm)");
	}
}

/*
 * The rule of the kernel: of what ordinary allocations can use, less than two
 * granules lie above the high watermark and the reserve, of which no more than half
 * of that counts.
 */
bool zone_is_tight(const struct zone *zone, uint64_t granule)
{
	uint64_t usable = sub_floor(zone->free.n, zone->cma);
	uint64_t kept = add_sat(zone->high.n, min_u64(zone->reserve, usable / 2));

	return zone->free.known && zone->high.known &&
	       sub_floor(usable, kept) < mul_sat(2, granule);
}

static void tight_zones(const struct snapshot *shot, struct reasons *reasons)
{
	unsigned int i;

	for (i = 0; i < shot->memory.nr_zones; i++) {
		const struct zone *zone = &shot->memory.zone[i];
		char free[HUMAN_SIZE], high[HUMAN_SIZE];

		/* What of it the host has already is not known by zone. */
		struct number left = { .known = shot->waiting.known,
				       .n = min_u64(zone->whole, shot->waiting.n) };

		if (left.n && zone_is_tight(zone, shot->granule))
			add(reasons, "tight", false, left,
			    "zone %s of node %u is short of memory: %s free, high watermark %s (vm.min_free_kbytes)",
			    zone->name, zone->node, human(free, UNIT_BYTES, zone->free),
			    human(high, UNIT_BYTES, zone->high));
	}
}

static void waiting(const struct snapshot *shot, struct reasons *reasons)
{
	const struct engine *engine = &shot->engine;
	const struct number *soon = &engine->counter[REUSED_SOON];
	char text[HUMAN_SIZE], delay[HUMAN_SIZE];

	if (!shot->waiting.known || !shot->waiting.n)
		return;
	if (engine->threshold_bytes.known && shot->waiting.n < engine->threshold_bytes.n) {
		add(reasons, "too-little", false, shot->waiting,
		    "less than vm.page_reporting_threshold_kbytes (%s) waits for more, 30 s at most",
		    human(text, UNIT_BYTES, engine->threshold_bytes));
		return;
	}
	human(delay, UNIT_US, (struct number){ .known = engine->delay_ms.known,
					       .n = mul_sat(engine->delay_ms.n, 1000) });
	if (soon->known && soon->n)
		add(reasons, "young", false, shot->waiting,
		    "not free for vm.page_reporting_delay_ms (%s) yet, or for up to 16 times that while reported memory is needed again soon (%" PRIu64
		    " granules so far)", delay, soon->n);
	else
		add(reasons, "young", false, shot->waiting,
		    "not free for vm.page_reporting_delay_ms (%s) yet", delay);
}

static void partly(const struct snapshot *shot, struct reasons *reasons)
{
	const struct memory *memory = &shot->memory;
	const struct number *in_flight = &shot->engine.counter[IN_FLIGHT_BYTES];
	char granule[HUMAN_SIZE];

	if (in_flight->known && in_flight->n)
		add(reasons, "in-flight", false, *in_flight, "on its way to the host");
	tight_zones(shot, reasons);
	waiting(shot, reasons);
	if (memory->blocks_known && memory->small)
		add(reasons, "too-small", false, number_of(memory->small),
		    "free in pieces smaller than a granule (%s), whose neighbours are in use",
		    human_bytes(granule, shot->granule));
	if (memory->per_cpu)
		add(reasons, "per-cpu", false, number_of(memory->per_cpu),
		    "free on lists of the CPUs, kept for the next allocation");
}

void why_not(const struct snapshot *shot, struct reasons *reasons)
{
	const struct engine *engine = &shot->engine;
	unsigned int i;

	memset(reasons, 0, sizeof(*reasons));
	if (engine->kind == ENGINE_NONE)
		add(reasons, "no-support", true, nothing,
		    "this kernel has no free page reporting (CONFIG_PAGE_REPORTING), or no device ever asked for it");
	if (shot->place.crash_kernel)
		add(reasons, "crash-kernel", true, nothing,
		    "this is a crash capture kernel, which does not report");
	if (shot->place.confidential)
		add(reasons, "confidential", true, nothing,
		    "memory of this guest is encrypted (SEV or TDX), and the host must not drop it");
	device_reasons(shot, reasons);
	if (engine->pause.known && engine->pause.n)
		add(reasons, "paused", true, nothing, "reporting is paused (vm.page_reporting_pause)");

	for (i = 0; i < reasons->nr; i++)
		if (reasons->reason[i].all)
			return;
	partly(shot, reasons);
}

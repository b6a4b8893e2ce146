// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Why nothing happens. Most of what goes wrong with balloons is silent: QEMU
 * accepts a target that no driver will follow, completes reports that it does
 * not act on, and never says that a feature was not offered. Each of these is
 * looked for here and named together with the remedy.
 */
#include "doctor.h"

struct list {
	struct finding *findings;
	unsigned int nr;
};

static void add(struct list *list, enum severity severity, const char *what, const char *text)
{
	if (list->nr < DOCTOR_MAX)
		list->findings[list->nr++] = (struct finding){ severity, what, text };
}

static void check_session(struct list *list, const struct guest *g)
{
	enum why absent = guest_absent(g);

	if (absent == WHY_NONE)
		return;
	if (absent == WHY_PROBING)
		add(list, SEVERITY_NOTE, why_name(absent), why_text(absent));
	else
		add(list, SEVERITY_PROBLEM, why_name(absent), why_text(absent));
}

/* What keeps QEMU from returning memory that the guest gives up. */
static void check_backing(struct list *list, const struct guest *g, const struct policy_guest *o)
{
	if (o->hugetlb)
		add(list, SEVERITY_PROBLEM, "hugetlb",
		    "Guest memory is backed by hugetlb pages: the balloon's 4 KiB pages never free "
		    "one, and inflating even touches more. Use free page reporting there, or "
		    "ordinary memory.");
	if (o->mem_locked)
		add(list, SEVERITY_PROBLEM, "mem-lock",
		    "QEMU's memory is locked or pinned: every discard fails. Start it without "
		    "-overcommit mem-lock=on.");
	if (o->assigned)
		add(list, SEVERITY_PROBLEM, "assigned-device",
		    "A VFIO device is assigned: QEMU does not discard memory that a device may "
		    "write to, and tells neither guest nor host.");
	if (!g->page_size)
		add(list, SEVERITY_NOTE, "page-size-unknown",
		    "QEMU did not tell the page size behind the guest's memory.");
	if (!g->pid || g->launcher)
		add(list, SEVERITY_NOTE, "pid-unknown",
		    "QEMU's process is not known, so neither is what it costs the host: free "
		    "memory counts as slack only where reporting is off.");
}

static void check_reporting(struct list *list, const struct guest *g)
{
	if (!g->offers_reporting)
		add(list, SEVERITY_PROBLEM, "reporting-not-offered",
		    "QEMU does not offer free page reporting: the guest cannot return what it "
		    "frees. Add free-page-reporting=on to -device virtio-balloon-pci.");
	else if (g->driver_ok && !g->has_reporting)
		add(list, SEVERITY_PROBLEM, "reporting-not-negotiated",
		    "The guest did not take free page reporting: its kernel is older than 5.7, "
		    "lacks CONFIG_PAGE_REPORTING, or poisons free pages while page-poison=off.");
	if (g->has_reporting && g->has_poison)
		add(list, SEVERITY_NOTE, "page-poison",
		    "The guest negotiated PAGE_POISON. If its poison value is not zero "
		    "(page_poisoning=1), QEMU accepts every report and discards nothing.");
	if (!g->virtio_known)
		add(list, SEVERITY_NOTE, "features-unknown",
		    "This QEMU has no x-query-virtio-status: what the guest negotiated is a "
		    "guess.");
}

static void check_driver(struct list *list, const struct guest *g, const struct policy_guest *o,
			 const struct policy_verdict *v)
{
	if (!o->running)
		add(list, SEVERITY_PROBLEM, "paused",
		    "The guest is not running: targets are accepted, but nothing moves before "
		    "it continues.");
	if (o->migrating)
		add(list, SEVERITY_NOTE, "migrating", why_text(WHY_MIGRATING));
	if (!o->has_driver) {
		add(list, SEVERITY_PROBLEM, "no-driver",
		    "No balloon driver in the guest: DRIVER_OK is not set. Load virtio_balloon "
		    "in the guest; right after a boot it may still come.");
		return;
	}
	if (g->virtio_known && g->offers_oom && !g->has_oom)
		add(list, SEVERITY_NOTE, "deflate-on-oom-not-negotiated",
		    "The guest's driver does not deflate by itself when it runs out of memory.");
	else if (g->virtio_known && !g->offers_oom)
		add(list, SEVERITY_NOTE, "deflate-on-oom-not-offered",
		    "Without deflate-on-oom=on the guest kills processes before it takes memory "
		    "back from the balloon.");
	if (g->virtio_known && !g->has_stats)
		add(list, SEVERITY_PROBLEM, "no-stats", why_text(WHY_NO_STATS));
	else if (v->why == WHY_STALE_STATS || v->why == WHY_ODD_STATS || v->why == WHY_NO_STATS)
		add(list, SEVERITY_PROBLEM, why_name(v->why), why_text(v->why));
}

/**
 * doctor_guest - look for everything that keeps a guest from giving memory
 * @guest: the guest
 * @observed: as the policy sees it
 * @verdict: the policy's verdict at its last step
 * @findings: room for DOCTOR_MAX of them
 *
 * Return: how many were found.
 */
unsigned int doctor_guest(const struct guest *guest, const struct policy_guest *observed,
			  const struct policy_verdict *verdict, struct finding *findings)
{
	struct list list = { .findings = findings };

	check_session(&list, guest);
	if (guest_absent(guest) != WHY_NONE)
		return list.nr;
	if (!guest->has_device) {
		add(&list, SEVERITY_PROBLEM, "no-device",
		    "The guest has no balloon. Add -device virtio-balloon-pci,"
		    "free-page-reporting=on,deflate-on-oom=on.");
		return list.nr;
	}
	if (!observed->enabled)
		add(&list, SEVERITY_NOTE, "disabled", why_text(WHY_DISABLED));
	if (observed->outside)
		add(&list, SEVERITY_NOTE, "outside-cgroup", why_text(WHY_OUTSIDE));
	check_driver(&list, guest, observed, verdict);
	check_backing(&list, guest, observed);
	check_reporting(&list, guest);
	switch (verdict->why) {
	case WHY_COOLING:
	case WHY_FOREIGN:
	case WHY_GUEST_HOLD:
	case WHY_BOOTING:
	case WHY_AT_FLOOR:
	case WHY_REPORTED:
		add(&list, SEVERITY_NOTE, why_name(verdict->why), why_text(verdict->why));
		break;
	default:
		break;
	}
	return list.nr;
}

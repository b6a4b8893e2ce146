// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Why nothing happens. Most of what goes wrong with balloons is silent: QEMU
 * accepts a target that no driver will follow, completes reports that it does
 * not act on, and never says that a feature was not offered. Each of these is
 * looked for here and named together with the remedy.
 */
#include "doctor.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct list {
	struct finding *findings;
	unsigned int nr;
};

static void add(struct list *list, enum severity severity, const char *what, const char *text)
{
	if (list->nr < DOCTOR_MAX)
		list->findings[list->nr++] = (struct finding){ severity, what, text, "" };
}

__attribute__((format(printf, 2, 3)))
static void add_detail(struct list *list, const char *fmt, ...)
{
	struct finding *f = &list->findings[list->nr - 1];
	va_list args;

	va_start(args, fmt);
	vsnprintf(f->detail, sizeof(f->detail), fmt, args);
	va_end(args);
}

/* Why connecting failed, and what to do about it. */
static const struct {
	int err;
	const char *what, *text;
} refusals[] = {
	{ EACCES, "permission",
	  "The daemon may not use the socket. Run QEMU as a member of the daemon's group and "
	  "make the socket writable for it, or give the daemon CAP_DAC_OVERRIDE, as its service "
	  "has." },
	{ ENOENT, "no-socket",
	  "The socket is not there, or is not visible to the service, which has a /tmp of its "
	  "own and sees neither /home nor /run/user." },
	{ ECONNREFUSED, "nobody-listens",
	  "Nobody listens on the socket: its maker has ended without removing it. Remove it." },
	{ EAGAIN, "queue-full",
	  "What listens does not accept connections: it hangs, or others wait for the same "
	  "socket." },
	{ ELOOP, "link", "The socket is a link. Name it in a [guest] section's socket." },
	{ EPROTO, "no-qmp", "What listens on the socket speaks neither QMP nor the API of the transport "
	  "that is configured for it." },
	{ EMSGSIZE, "no-qmp", "What listens on the socket sends messages that are too long." },
	{ EMFILE, "descriptors", "The daemon has no file descriptor left: raise LimitNOFILE." },
};

static void add_refusal(struct list *list, const struct guest *g)
{
	struct stat st;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(refusals); i++)
		if (refusals[i].err == -g->last_error)
			break;
	if (i == ARRAY_SIZE(refusals))
		add(list, SEVERITY_PROBLEM, why_name(WHY_NOT_CONNECTED),
		    why_text(WHY_NOT_CONNECTED));
	else
		add(list, SEVERITY_PROBLEM, refusals[i].what, refusals[i].text);
	if (!stat(g->path, &st))
		add_detail(list, "%s: socket of uid %u, gid %u, mode %04o; the daemon is uid %u",
			   strerror(-g->last_error), st.st_uid, st.st_gid, st.st_mode & 07777,
			   geteuid());
	else
		add_detail(list, "%s", strerror(-g->last_error));
}

static void check_session(struct list *list, const struct guest *g)
{
	enum why absent = guest_absent(g);

	if (absent == WHY_NONE)
		return;
	if (absent == WHY_PROBING)
		add(list, SEVERITY_NOTE, why_name(absent), why_text(absent));
	else if (absent == WHY_NOT_CONNECTED && g->last_error)
		add_refusal(list, g);
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
	if (g->launcher)
		add_detail(list, "process %d made the socket, and is smaller than the guest",
			   (int)g->peer);
}

static void check_reporting(struct list *list, const struct guest *g)
{
	if (!g->offers_reporting)
		add(list, SEVERITY_PROBLEM, "reporting-not-offered",
		    "Free page reporting is not offered: the guest cannot return what it frees. "
		    "Add free-page-reporting=on to -device virtio-balloon-pci, "
		    "freePageReporting='on' to libvirt's <memballoon>, or free_page_reporting "
		    "to the balloon of other VMMs.");
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
		    "What the guest negotiated cannot be seen there, and is a guess. QEMU shows it "
		    "from 7.2 to 10.");
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
	if (g->refused) {
		add(list, SEVERITY_PROBLEM, "target-refused", "The last target was not taken.");
		add_detail(list, "%s", g->error);
	}
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
	if (v->why == WHY_NO_STATS && g->transport->no_stats)
		add_detail(list, "%s", g->transport->no_stats);
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
		    "The guest has no balloon. autoballoonctl setup prints what to add.");
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

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reasons: why something was done to a guest, or why nothing was. */
#ifndef AUTOBALLOON_WHY_H
#define AUTOBALLOON_WHY_H

/*
 * X(symbol, name in logs, sentence for people)
 *
 * The first group says why a guest cannot take part, the second why it is left
 * alone at the moment, the third why its target was changed.
 */
#define WHY_LIST(X)								\
	X(NONE, "none", "Ready; nothing to do.")				\
	X(NOT_CONNECTED, "not-connected", "The guest's socket cannot be reached.")	\
	X(SECOND_CLIENT, "second-client",					\
	  "There is no greeting: another client holds the socket. "		\
	  "Give the daemon a -qmp socket of its own.")				\
	X(PROBING, "probing", "Still asking QEMU about the guest.")		\
	X(NO_DEVICE, "no-device",						\
	  "The guest has no virtio-balloon device.")				\
	X(NO_SIZE, "no-size", "QEMU does not tell the guest's size.")		\
	X(DISABLED, "disabled", "Disabled by the administrator.")		\
	X(OUTSIDE, "outside-cgroup", "Not in the cgroup that is watched.")	\
	X(PAUSED, "paused", "The guest is paused, so nothing can move.")	\
	X(MIGRATING, "migrating", "The guest is being migrated.")		\
	X(NO_DRIVER, "no-driver",						\
	  "No balloon driver in the guest (DRIVER_OK is not set).")		\
	X(BOOTING, "booting", "The guest was just reset.")			\
	X(HUGETLB, "hugetlb",							\
	  "Guest memory is backed by huge pages of hugetlbfs: QEMU cannot "	\
	  "return what a balloon takes.")					\
	X(MEM_LOCK, "mem-lock",							\
	  "QEMU's memory is locked: every discard fails.")			\
	X(ASSIGNED, "assigned-device",						\
	  "A device is assigned (VFIO): guest memory is pinned.")		\
	X(NO_STATS, "no-stats",							\
	  "The guest sends no statistics: it is observed only.")		\
	X(STALE_STATS, "stale-stats",						\
	  "The guest's statistics are too old: it is observed only.")		\
	X(ODD_STATS, "odd-stats",						\
	  "The guest's statistics contradict themselves: it is observed only.")	\
	X(HELD, "held", "Held by the administrator.")				\
	X(GUEST_HOLD, "guest-hold",						\
	  "The guest needed memory a short time ago and is left alone.")	\
	X(COOLING, "stuck",							\
	  "The guest did not follow the last target and is left alone.")	\
	X(FOREIGN, "foreign",							\
	  "Somebody else changed the balloon; leaving it alone for now.")	\
	X(RATE, "rate-limit", "Changed too often or too recently.")		\
	X(PULSING, "pulsing", "A pulse is under way.")				\
	X(AT_FLOOR, "at-floor", "At its minimum, or at what it needs.")		\
	X(REPORTED, "nothing-to-gain",						\
	  "Its free memory is already back at the host.")			\
	X(NOT_ASKED, "not-asked", "Others of a lower band or with fewer "	\
	  "shares gave enough.")						\
	X(PRESSURE, "host-pressure", "The host is short of memory.")		\
	X(REQUEST, "request", "Asked for by the administrator.")		\
	X(LIMIT, "limit", "Above its configured or held maximum.")		\
	X(PULLED, "guest-took-back",						\
	  "The guest took memory back by itself: it needs it.")			\
	X(LOW_MEMORY, "guest-low-memory", "The guest is low on memory.")	\
	X(SWAPPING, "guest-swapping", "The guest swaps.")			\
	X(FAULTING, "guest-faulting", "The guest reads memory back from disk.")	\
	X(OOM, "guest-oom", "The guest ran out of memory or stalled for it.")	\
	X(RESET, "guest-reset", "The guest was reset: it boots with all that was taken.")	\
	X(QUIET, "host-quiet", "The host has room: giving back what was taken.")	\
	X(UNSTICK, "unstick",							\
	  "The guest does not follow: its target becomes what it has.")		\
	X(PROBE, "right-size-probe", "Looking for the size it needs.")		\
	X(BACK_OFF, "right-size-back-off", "The last probe went too far.")	\
	X(PULSE_IN, "pulse-in", "Squeezing page cache out.")			\
	X(PULSE_OUT, "pulse-out", "Pulse done: back to the former size.")	\
	X(RELEASE, "release", "The daemon ends and gives everything back.")

#define WHY_ENUM(symbol, name, text) WHY_##symbol,
enum why { WHY_LIST(WHY_ENUM) NR_WHYS };
#undef WHY_ENUM

const char *why_name(enum why why);
const char *why_text(enum why why);

#endif

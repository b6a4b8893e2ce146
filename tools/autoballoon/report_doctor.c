// SPDX-License-Identifier: GPL-2.0-or-later
/* What the doctor finds, as JSON: first on the host, then in each guest. */
#include <stdio.h>
#include <string.h>

#include "discover.h"
#include "doctor.h"
#include "engine.h"
#include "report.h"

static unsigned int nr_problems;

static struct finding make(enum severity severity, const char *what, const char *text)
{
	return (struct finding){ severity, what, text, "" };
}

static void report_finding(struct textbuf *tb, const char *guest, const struct finding *f)
{
	static const char *const severities[] = { "ok", "note", "problem" };

	out_open(tb, NULL, '{');
	out_string(tb, "guest", guest);
	out_string(tb, "severity", severities[f->severity]);
	out_string(tb, "what", f->what);
	out_string(tb, "text", f->text);
	out_string(tb, "detail", f->detail);
	nr_problems += f->severity == SEVERITY_PROBLEM;
	out_close(tb, '}');
}

static void report_directory(struct textbuf *tb)
{
	struct finding f = { SEVERITY_PROBLEM, "directory", "A directory for QMP sockets cannot be "
			     "watched. Make it, with the group that QEMU's user is in, or name "
			     "another; the service sees neither /home nor /run/user, and a /tmp of "
			     "its own.", "" };
	const char *dir;
	int err;

	dir = discover_missing(&err);
	if (!dir)
		return;
	snprintf(f.detail, sizeof(f.detail), "%.120s: %s", dir, strerror(err));
	report_finding(tb, "", &f);
}

static void doctor_host(struct textbuf *tb)
{
	struct finding f = { SEVERITY_PROBLEM, "psi-missing", NULL, "" };
	bool armed = pressure_armed(LEVEL_LOW) || pressure_armed(LEVEL_MEDIUM) ||
		     pressure_armed(LEVEL_CRITICAL);
	bool guests = false;
	unsigned int i;

	if (engine.config.source == SOURCE_NONE) {
		f = make(SEVERITY_NOTE, "no-source", "No source of pressure events is "
				      "configured: only floors and inject.");
		report_finding(tb, "", &f);
	} else if (!armed) {
		f.text = pressure_problem() ? pressure_problem() : "No trigger is armed.";
		report_finding(tb, "", &f);
	} else if (pressure_problem()) {
		f = make(SEVERITY_PROBLEM, "trigger-missing", "Not every trigger is armed: the "
			 "kernel does not wake the daemon for that level.");
		snprintf(f.detail, sizeof(f.detail), "%s", pressure_problem());
		report_finding(tb, "", &f);
	}
	if (engine.sample.some_us == UNSET && engine.config.source == SOURCE_PSI) {
		f = make(SEVERITY_PROBLEM, "psi-unreadable", "The PSI file cannot be "
				      "read: is the kernel booted with psi=1?");
		report_finding(tb, "", &f);
	}
	if ((engine.config.cgroup[0] || engine.config.cgroup_memory[0]) &&
	    engine.sample.usage == UNSET) {
		f = make(SEVERITY_PROBLEM, "cgroup-memory-missing", "The cgroup has no "
				      "memory.current and no memory.usage_in_bytes: its headroom "
				      "is not known. Enable the memory controller for it, or set "
				      "cgroup-memory where that belongs to cgroup v1.");
		report_finding(tb, "", &f);
	} else if (engine.sample.usage != UNSET && engine.sample.limit == UNSET) {
		f = make(SEVERITY_NOTE, "cgroup-no-limit", "Neither the cgroup nor one "
				      "above it has a limit: it has no floor of headroom.");
		report_finding(tb, "", &f);
	}
	if (engine.dry_run) {
		f = make(SEVERITY_NOTE, "dry-run", "Dry run: nothing is sent.");
		report_finding(tb, "", &f);
	}
	if (engine.said.suspended) {
		f = make(SEVERITY_NOTE, "suspended", "Disabled for all guests.");
		report_finding(tb, "", &f);
	}
	if (engine.unmanaged) {
		f = make(SEVERITY_PROBLEM, "too-many-guests", "There are more "
				      "guests' sockets than the daemon manages.");
		snprintf(f.detail, sizeof(f.detail), "%u beyond %d", engine.unmanaged,
			 POLICY_MAX_GUESTS);
		report_finding(tb, "", &f);
	}
	if (engine.metrics_err) {
		f = make(SEVERITY_PROBLEM, "metrics-not-written", "metrics-file cannot "
				      "be written. The service may write to its run directory and "
				      "to what ReadWritePaths= of a drop-in names.");
		snprintf(f.detail, sizeof(f.detail), "%.100s: %s", engine.config.metrics_file,
			 strerror(-engine.metrics_err));
		report_finding(tb, "", &f);
	}
	if (engine.save_failed) {
		f = make(SEVERITY_PROBLEM, "state-not-saved", "The state cannot be "
				      "written: a restart would forget all orders. It is tried "
				      "again every second.");
		report_finding(tb, "", &f);
	}
	report_directory(tb);
	for (i = 0; i < engine.nr; i++)
		guests |= engine.slots[i].guest.used;
	if (!guests) {
		f = make(SEVERITY_PROBLEM, "no-guests", "No guest's socket was found. "
				      "autoballoonctl setup prints what a guest needs.");
		report_finding(tb, "", &f);
	}
}

/**
 * report_doctor - why nothing happens
 * @tb: where to; inside an object
 */
void report_doctor(struct textbuf *tb)
{
	struct finding findings[DOCTOR_MAX];
	unsigned int i, k, n;

	engine_observe(now_ms());
	nr_problems = 0;
	out_open(tb, "findings", '[');
	doctor_host(tb);
	for (i = 0; i < engine.nr; i++) {
		const struct slot *slot = &engine.slots[i];
		const char *name = slot->guest.name[0] ? slot->guest.name : slot->guest.shown;

		if (!slot->guest.used)
			continue;
		n = doctor_guest(&slot->guest, &engine.guests[i], &engine.result.verdict[i],
				 findings);
		if (!n) {
			n = 1;
			findings[0] = make(SEVERITY_OK, "ready", "Nothing stands in "
							"the way.");
		}
		for (k = 0; k < n; k++)
			report_finding(tb, name, &findings[k]);
	}
	out_close(tb, ']');
	out_u64(tb, "problems", nr_problems);
}

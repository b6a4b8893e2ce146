/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Why nothing happens: what stands between the daemon and a guest's memory. */
#ifndef AUTOBALLOON_DOCTOR_H
#define AUTOBALLOON_DOCTOR_H

#include "guest.h"

enum severity { SEVERITY_OK, SEVERITY_NOTE, SEVERITY_PROBLEM };

struct finding {
	enum severity severity;
	const char *what;	/* short, for scripts */
	const char *text;	/* a sentence, and what to do */
	char detail[200];	/* the case at hand, such as an error's text; may be empty */
};

#define DOCTOR_MAX 16

unsigned int doctor_guest(const struct guest *guest, const struct policy_guest *observed,
			  const struct policy_verdict *verdict, struct finding *findings);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Writes metrics in Prometheus' text format, one after the other. */
#ifndef PAGE_REPORTING_PROMETHEUS_H
#define PAGE_REPORTING_PROMETHEUS_H

#include <stdio.h>

#include "number.h"

enum prometheus_type { GAUGE, COUNTER };

struct prometheus_label {
	const char *name;	/* NULL ends a list */
	const char *value;
};

void prometheus_family(FILE *out, const char *name, enum prometheus_type type, const char *help);
void prometheus_sample(FILE *out, const char *name, const struct prometheus_label *labels,
		       struct number value);
void prometheus_seconds(FILE *out, const char *name, struct number us);
void prometheus_comment(FILE *out, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif

// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Prometheus' text format: lines of "name{label="value"} number", before each family
 * its help and its type.  What is not known has no line.
 */
#include <inttypes.h>
#include <stdarg.h>

#include "prometheus.h"

void prometheus_family(FILE *out, const char *name, enum prometheus_type type, const char *help)
{
	fprintf(out, "# HELP %s ", name);
	for (; *help; help++) {
		if (*help == '\\')
			putc('\\', out);
		putc(*help, out);
	}
	fprintf(out, "\n# TYPE %s %s\n", name, type == COUNTER ? "counter" : "gauge");
}

/* A file with one byte that is no UTF-8 would be refused as a whole. */
static void quoted(FILE *out, const char *text)
{
	putc('"', out);
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		if (c == '"' || c == '\\')
			fprintf(out, "\\%c", c);
		else
			putc(c < 0x20 || c >= 0x7f ? '?' : c, out);
	}
	putc('"', out);
}

/* labels: a list, or NULL */
static void begin(FILE *out, const char *name, const struct prometheus_label *labels)
{
	const struct prometheus_label *label;

	fputs(name, out);
	for (label = labels; label && label->name; label++) {
		fprintf(out, "%s%s=", label == labels ? "{" : ",", label->name);
		quoted(out, label->value);
	}
	if (label != labels)
		putc('}', out);
}

void prometheus_sample(FILE *out, const char *name, const struct prometheus_label *labels,
		       struct number value)
{
	if (!value.known)
		return;
	begin(out, name, labels);
	fprintf(out, " %" PRIu64 "\n", value.n);
}

/* Microseconds as seconds, without a rounding. */
void prometheus_seconds(FILE *out, const char *name, struct number us)
{
	if (us.known)
		fprintf(out, "%s %" PRIu64 ".%06" PRIu64 "\n", name, us.n / 1000000,
			us.n % 1000000);
}

/* For people: programs pass over it. */
void prometheus_comment(FILE *out, const char *fmt, ...)
{
	va_list args;

	fputs("# ", out);
	va_start(args, fmt);
	vfprintf(out, fmt, args);
	va_end(args);
	putc('\n', out);
}

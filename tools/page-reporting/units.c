// SPDX-License-Identifier: GPL-2.0-or-later
/* Numbers as people read them: 1.5 GiB, 120 ms, "?" for what is not known. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "units.h"

const char *human_bytes(char *buf, uint64_t bytes)
{
	static const char *const names[] = { "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
	double value = (double)bytes / 1024;
	unsigned int i = 0;

	if (!bytes) {
		snprintf(buf, HUMAN_SIZE, "0");
		return buf;
	}
	if (bytes < 1024) {
		snprintf(buf, HUMAN_SIZE, "%" PRIu64 " B", bytes);
		return buf;
	}
	while (value >= 1023.95 && i + 1 < sizeof(names) / sizeof(names[0])) {
		value /= 1024;
		i++;
	}
	snprintf(buf, HUMAN_SIZE, "%.1f %s", value, names[i]);
	return buf;
}

static const char *human_us(char *buf, uint64_t us)
{
	if (us < 1000)
		snprintf(buf, HUMAN_SIZE, "%" PRIu64 " us", us);
	else if (us < 1000 * 1000)
		snprintf(buf, HUMAN_SIZE, "%.4g ms", (double)us / 1e3);
	else
		snprintf(buf, HUMAN_SIZE, "%.4g s", (double)us / 1e6);
	return buf;
}

const char *human(char *buf, enum unit unit, struct number number)
{
	if (!number.known)
		snprintf(buf, HUMAN_SIZE, "?");
	else if (unit == UNIT_BYTES)
		human_bytes(buf, number.n);
	else if (unit == UNIT_US)
		human_us(buf, number.n);
	else if (unit == UNIT_PAGES)
		snprintf(buf, HUMAN_SIZE, "%" PRIu64 " pages", number.n);
	else
		snprintf(buf, HUMAN_SIZE, "%" PRIu64, number.n);
	return buf;
}

/* The kernel's counters have their unit in their name. */
enum unit unit_of_name(const char *name)
{
	const char *last = strrchr(name, '_');

	if (strstr(name, "_bytes"))
		return UNIT_BYTES;
	if (last && !strcmp(last, "_us"))
		return UNIT_US;
	if (last && !strcmp(last, "_pages"))
		return UNIT_PAGES;
	return UNIT_COUNT;
}

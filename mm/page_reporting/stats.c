// SPDX-License-Identifier: GPL-2.0
/*
 * The counters: one value a file in /sys/kernel/mm/page_reporting/.
 */
#include <linux/init.h>
#include <linux/kobject.h>
#include <linux/mm.h>
#include <linux/sysfs.h>

#include "internal.h"

atomic_long_t reporting_stats[NR_REPORTING_STATS];

static u64 pages_to_bytes(unsigned long pages)
{
	return (u64)pages << PAGE_SHIFT;
}

#define REPORTING_ATTR(_name, _value)						\
static ssize_t _name##_show(struct kobject *kobj, struct kobj_attribute *attr,	\
			    char *buf)						\
{										\
	return sysfs_emit(buf, "%llu\n", (u64)(_value));			\
}										\
static struct kobj_attribute _name##_attr = __ATTR_RO(_name)

#define STAT(_stat)	atomic_long_read(&reporting_stats[_stat])

/* Ever reported; and what the guest has not touched since. */
REPORTING_ATTR(reported_bytes_total, pages_to_bytes(STAT(STAT_REPORTED_PAGES)));
REPORTING_ATTR(reported_bytes, pages_to_bytes(granule_map_pages(GRANULE_REPORTED)));
/* Waits to become cold, or to be looked at. */
REPORTING_ATTR(dirty_bytes, pages_to_bytes(granule_map_pages(GRANULE_DIRTY)));
/* At the host now, and not to be had. */
REPORTING_ATTR(in_flight_bytes, pages_to_bytes(granule_map_pages(GRANULE_FLIGHT)));
REPORTING_ATTR(requests, STAT(STAT_REQUESTS));
REPORTING_ATTR(elements, STAT(STAT_ELEMENTS));
/* Reported granules that were allocated again; soon after; with dirty ones free. */
REPORTING_ATTR(reused, STAT(STAT_REUSED));
REPORTING_ATTR(reused_soon, STAT(STAT_REUSED_SOON));
REPORTING_ATTR(reused_avoidable, STAT(STAT_REUSED_AVOIDABLE));
/* Requests that the device refused; and that it sat on for seconds. */
REPORTING_ATTR(errors, STAT(STAT_ERRORS));
REPORTING_ATTR(stalls, STAT(STAT_STALLS));
/* Times that a zone had nothing to spare. */
REPORTING_ATTR(tight, STAT(STAT_TIGHT));
REPORTING_ATTR(passes, STAT(STAT_PASSES));
REPORTING_ATTR(drains, STAT(STAT_DRAINS));
REPORTING_ATTR(last_pass_us, STAT(STAT_LAST_PASS_US));
/* Flushes so far: the generation; and how long the last one took. */
REPORTING_ATTR(flushes, STAT(STAT_FLUSHES));
REPORTING_ATTR(last_flush_us, STAT(STAT_LAST_FLUSH_US));

#ifdef CONFIG_PAGE_REPORTING_EVACUATE
/* Free in pieces of units, when last looked at. */
REPORTING_ATTR(stranded_bytes, pages_to_bytes(STAT(STAT_STRANDED_PAGES)));
/* Units made whole, and not; and the pages that moved. */
REPORTING_ATTR(evacuated, STAT(STAT_EVACUATED));
REPORTING_ATTR(evacuate_failed, STAT(STAT_EVACUATE_FAILED));
REPORTING_ATTR(evacuate_moved_pages, STAT(STAT_EVACUATE_MOVED));
#endif

static struct attribute *reporting_attrs[] = {
	&reported_bytes_total_attr.attr,
	&reported_bytes_attr.attr,
	&dirty_bytes_attr.attr,
	&in_flight_bytes_attr.attr,
	&requests_attr.attr,
	&elements_attr.attr,
	&reused_attr.attr,
	&reused_soon_attr.attr,
	&reused_avoidable_attr.attr,
	&errors_attr.attr,
	&stalls_attr.attr,
	&tight_attr.attr,
	&passes_attr.attr,
	&drains_attr.attr,
	&last_pass_us_attr.attr,
	&flushes_attr.attr,
	&last_flush_us_attr.attr,
#ifdef CONFIG_PAGE_REPORTING_EVACUATE
	&stranded_bytes_attr.attr,
	&evacuated_attr.attr,
	&evacuate_failed_attr.attr,
	&evacuate_moved_pages_attr.attr,
#endif
	NULL
};

static const struct attribute_group reporting_group = {
	.name = "page_reporting",
	.attrs = reporting_attrs,
};

/**
 * stats_init - offer the counters
 *
 * Context: Once, at boot.
 * Return: 0 or what sysfs said.
 */
int __init stats_init(void)
{
	return sysfs_create_group(mm_kobj, &reporting_group);
}

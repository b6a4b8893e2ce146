// SPDX-License-Identifier: GPL-2.0
/*
 * The counters: one value a file in /sys/kernel/mm/page_reporting/.
 */
#include <linux/init.h>
#include <linux/kobject.h>
#include <linux/mm.h>
#include <linux/sysfs.h>

#include "map.h"
#include "state.h"

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

#define STAT(_stat)	fpr_stat(FPR_STAT_##_stat)

/* Reported since boot; and of that, what the guest has not touched since. */
REPORTING_ATTR(reported_bytes_total, pages_to_bytes(STAT(REPORTED_PAGES)));
REPORTING_ATTR(reported_bytes, pages_to_bytes(fpr_map_pages(GRANULE_REPORTED)));
/* Waits to become cold, or to be looked at. */
REPORTING_ATTR(dirty_bytes, pages_to_bytes(fpr_map_pages(GRANULE_DIRTY)));
/* In flight, so not available to the guest. */
REPORTING_ATTR(in_flight_bytes, pages_to_bytes(STAT(IN_FLIGHT_PAGES)));
REPORTING_ATTR(requests, STAT(REQUESTS));
REPORTING_ATTR(elements, STAT(ELEMENTS));
/* How long the host took for all of them; and what one may hold, by that. */
REPORTING_ATTR(host_us, STAT(HOST_US));
REPORTING_ATTR(request_limit_bytes, pages_to_bytes(READ_ONCE(fpr_request_pages)));
/* Reported granules that were allocated again; soon after; with dirty ones free. */
REPORTING_ATTR(reused, STAT(REUSED));
REPORTING_ATTR(reused_soon, STAT(REUSED_SOON));
REPORTING_ATTR(reused_avoidable, STAT(REUSED_AVOIDABLE));
/* Requests that the device refused; and that it did not answer for seconds. */
REPORTING_ATTR(errors, STAT(ERRORS));
REPORTING_ATTR(stalls, STAT(STALLS));
/* Times that a zone had nothing to spare. */
REPORTING_ATTR(tight, STAT(TIGHT));
REPORTING_ATTR(passes, STAT(PASSES));
REPORTING_ATTR(drains, STAT(DRAINS));
REPORTING_ATTR(last_pass_us, STAT(LAST_PASS_US));
/* Flushes so far: the generation; and how long the last one took. */
REPORTING_ATTR(flushes, STAT(FLUSHES));
REPORTING_ATTR(last_flush_us, STAT(LAST_FLUSH_US));
/* What the flush had to pass over; and how often all memory was reported again. */
REPORTING_ATTR(last_flush_left_bytes, pages_to_bytes(STAT(LAST_FLUSH_LEFT_PAGES)));
REPORTING_ATTR(resyncs, STAT(RESYNCS));

#ifdef CONFIG_PAGE_REPORTING_EVACUATE
/* Free in pieces of units, when last looked at; of that, where units cannot move. */
REPORTING_ATTR(stranded_bytes, pages_to_bytes(STAT(STRANDED_PAGES)));
REPORTING_ATTR(blocked_bytes, pages_to_bytes(STAT(BLOCKED_PAGES)));
/* Units made whole; begun and not made whole; the pages that moved; CPU time. */
REPORTING_ATTR(evacuated, STAT(EVACUATED));
REPORTING_ATTR(evacuate_failed, STAT(EVACUATE_FAILED));
REPORTING_ATTR(evacuate_moved_pages, STAT(EVACUATE_MOVED));
REPORTING_ATTR(evacuate_cpu_us, STAT(EVACUATE_CPU_US));
/* Why a unit was not begun, or not made whole. */
#define LEFT(_why)	fpr_stat(FPR_STAT_EVACUATE_LEFT + FPR_LEFT_##_why)
REPORTING_ATTR(evacuate_left_unmovable, LEFT(UNMOVABLE));
REPORTING_ATTR(evacuate_left_metadata, LEFT(METADATA));
REPORTING_ATTR(evacuate_left_pinned, LEFT(PINNED));
REPORTING_ATTR(evacuate_left_locked, LEFT(LOCKED));
REPORTING_ATTR(evacuate_left_no_target, LEFT(NO_TARGET));
REPORTING_ATTR(evacuate_left_raced, LEFT(RACED));
#endif

static struct attribute *reporting_attrs[] = {
	&reported_bytes_total_attr.attr,
	&reported_bytes_attr.attr,
	&dirty_bytes_attr.attr,
	&in_flight_bytes_attr.attr,
	&requests_attr.attr,
	&elements_attr.attr,
	&host_us_attr.attr,
	&request_limit_bytes_attr.attr,
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
	&last_flush_left_bytes_attr.attr,
	&resyncs_attr.attr,
#ifdef CONFIG_PAGE_REPORTING_EVACUATE
	&stranded_bytes_attr.attr,
	&blocked_bytes_attr.attr,
	&evacuated_attr.attr,
	&evacuate_failed_attr.attr,
	&evacuate_moved_pages_attr.attr,
	&evacuate_cpu_us_attr.attr,
	&evacuate_left_unmovable_attr.attr,
	&evacuate_left_metadata_attr.attr,
	&evacuate_left_pinned_attr.attr,
	&evacuate_left_locked_attr.attr,
	&evacuate_left_no_target_attr.attr,
	&evacuate_left_raced_attr.attr,
#endif
	NULL
};

static const struct attribute_group reporting_group = {
	.name = "page_reporting",
	.attrs = reporting_attrs,
};

static int __init counters_init(void)
{
	return sysfs_create_group(mm_kobj, &reporting_group);
}
subsys_initcall(counters_init);

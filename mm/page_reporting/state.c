// SPDX-License-Identifier: GPL-2.0
/*
 * What all parts of the engine share: the device, the pause, knobs, counters.
 */
#include <linux/bitops.h>
#include <linux/err.h>
#include <linux/export.h>
#include <linux/jiffies.h>
#include <linux/mm.h>
#include <linux/sched.h>

#include "policy.h"
#include "request.h"
#include "state.h"

DEFINE_STATIC_KEY_FALSE(page_reporting_in_use);

/* hv_balloon writes it when its host does not take less than a huge page. */
unsigned int page_reporting_order = -1;
EXPORT_SYMBOL_GPL(page_reporting_order);

/* How long memory stays free before it is reported. */
unsigned int page_reporting_delay_ms = 500;

/* How much must wait to be reported before it is worth waking up. */
unsigned int page_reporting_threshold_kbytes = 4096;

/* Make free memory whole: 0 off (a flush can still ask for it), 1 on. */
unsigned int page_reporting_evacuate = 1;

/* Guards the map as a whole, and what is in flight. */
DEFINE_MUTEX(fpr_pass_lock);

struct pace fpr_pace;

unsigned long fpr_request_pages = REQUEST_FIRST;

atomic_long_t fpr_stats[NR_FPR_STATS];

static struct page_reporting_dev_info *the_device;
static unsigned long paused;

/* The task that allocates memory for the host. */
static struct task_struct *aside;

/**
 * fpr_device() - who takes reports now
 *
 * Context: The device stays under fpr_pass_lock.
 * Return: The device; ERR_PTR(-ENODEV) if there is none, ERR_PTR(-EBUSY) while
 * the engine is paused.
 */
struct page_reporting_dev_info *fpr_device(void)
{
	struct page_reporting_dev_info *prdev = READ_ONCE(the_device);

	if (!prdev)
		return ERR_PTR(-ENODEV);
	return READ_ONCE(paused) ? ERR_PTR(-EBUSY) : prdev;
}

/**
 * fpr_device_set() - change who takes reports
 * @prdev: the device; NULL: nobody
 *
 * Context: Registration, one at a time.
 */
void fpr_device_set(struct page_reporting_dev_info *prdev)
{
	WRITE_ONCE(the_device, prdev);
}

/**
 * fpr_device_is() - is this the registered device?
 * @prdev: the device; NULL asks whether there is none
 *
 * Context: Registration, one at a time.
 * Return: true if so, whether paused or not.
 */
bool fpr_device_is(const struct page_reporting_dev_info *prdev)
{
	return the_device == prdev;
}

/**
 * fpr_may_go_on() - may one more request be sent, or one more page be moved?
 *
 * Context: Any.
 * Return: false once the engine is paused or has no device.
 */
bool fpr_may_go_on(void)
{
	return !IS_ERR(fpr_device());
}

/**
 * fpr_pause_set() - report nothing from now on
 * @who: the reason
 *
 * Context: Any.  A request that is under way goes on; see fpr_pass_lock.
 */
void fpr_pause_set(enum fpr_pause who)
{
	set_bit(who, &paused);
}

/**
 * fpr_pause_clear() - take a reason for a pause back
 * @who: the reason
 *
 * Context: Any.
 * Return: true if there was this reason; the caller then asks for a pass.
 */
bool fpr_pause_clear(enum fpr_pause who)
{
	return test_and_clear_bit(who, &paused);
}

/**
 * fpr_paused_by() - is there this reason for a pause?
 * @who: the reason
 *
 * Context: Any.
 * Return: true if so.
 */
bool fpr_paused_by(enum fpr_pause who)
{
	return test_bit(who, &paused);
}

/**
 * page_reporting_aside_begin() - what this task allocates from now on is not used
 *
 * For a balloon: the host does not have to back what is in it.  So it was no mistake to
 * report that memory a moment before, and memory need not stay free for longer because
 * of it.  With two such tasks at a time one of them counts as others do.
 *
 * Context: Process context, until page_reporting_aside_end().
 */
void page_reporting_aside_begin(void)
{
	WRITE_ONCE(aside, current);
}
EXPORT_SYMBOL_GPL(page_reporting_aside_begin);

/**
 * page_reporting_aside_end() - what this task allocates from now on is used
 *
 * Context: Process context.
 */
void page_reporting_aside_end(void)
{
	if (READ_ONCE(aside) == current)
		WRITE_ONCE(aside, NULL);
}
EXPORT_SYMBOL_GPL(page_reporting_aside_end);

/**
 * fpr_takes_aside() - does this task allocate what nobody is going to use?
 *
 * Context: Any.
 * Return: true from its page_reporting_aside_begin() to its page_reporting_aside_end().
 */
bool fpr_takes_aside(void)
{
	return READ_ONCE(aside) == current;
}

/**
 * fpr_base_delay() - the configured delay
 *
 * Context: Any.
 * Return: Jiffies that memory stays free before it is reported; pace.c may make
 * it longer.
 */
unsigned long fpr_base_delay(void)
{
	return msecs_to_jiffies(READ_ONCE(page_reporting_delay_ms));
}

/**
 * fpr_zone_spare() - how many pages may be missing from a zone for a moment
 * @zone: the zone
 *
 * The one answer for requests, isolated units, and targets of evacuation.
 *
 * Context: Any; exact only under the zone's lock.
 * Return: Pages; see fpr_policy_spare().
 */
unsigned long fpr_zone_spare(struct zone *zone)
{
	struct policy_zone state = {
		.free = zone_page_state(zone, NR_FREE_PAGES),
		.highatomic = READ_ONCE(zone->nr_free_highatomic),
		.high = high_wmark_pages(zone),
	};
	int i;

#ifdef CONFIG_CMA
	state.cma = zone_page_state(zone, NR_FREE_CMA_PAGES);
#endif
	for (i = 0; i < MAX_NR_ZONES; i++)
		state.reserve = max_t(unsigned long, state.reserve,
				      READ_ONCE(zone->lowmem_reserve[i]));
	return fpr_policy_spare(&state);
}

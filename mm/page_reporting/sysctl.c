// SPDX-License-Identifier: GPL-2.0
/*
 * The knobs: /proc/sys/vm/page_reporting_*, and page_reporting.* on the command
 * line where users know them.  A value out of range is refused.
 */
#include <linux/init.h>
#include <linux/mm.h>
#include <linux/moduleparam.h>
#include <linux/sysctl.h>

#include "internal.h"

#define DELAY_MS_MAX	(10 * 60 * 1000)

/*
 * Order of a granule; -1 until someone asked for one.  hv_balloon writes it
 * when its host does not take less than a huge page.
 */
unsigned int page_reporting_order = -1;
EXPORT_SYMBOL_GPL(page_reporting_order);

/* How long a cold granule stays free before it is reported. */
unsigned int page_reporting_delay_ms = 700;

/* What must wait to be reported before it is worth waking up for. */
unsigned int page_reporting_threshold_kbytes = 4096;

/* Make free memory whole: 0 never, 1 when the guest is idle. */
unsigned int page_reporting_evacuate = 1;

static int order_param_set(const char *val, const struct kernel_param *kp)
{
	unsigned int order;
	int err = kstrtouint(val, 0, &order);

	if (err)
		return err;
	if (order > pageblock_order) {
		pr_err("page_reporting: order %u is out of range, at most %u\n",
		       order, (unsigned int)pageblock_order);
		return -EINVAL;
	}
	/* On the command line: nothing runs yet, and nothing can be locked. */
	if (system_state < SYSTEM_SCHEDULING) {
		page_reporting_order = order;
		return 0;
	}
	return reporting_set_order(order);
}

static const struct kernel_param_ops order_param_ops = {
	.set = order_param_set,
	/* As a signed number: unset is -1. */
	.get = param_get_int,
};
module_param_cb(page_reporting_order, &order_param_ops, &page_reporting_order, 0644);
MODULE_PARM_DESC(page_reporting_order, "Order of the blocks that are reported");

static int delay_param_set(const char *val, const struct kernel_param *kp)
{
	int err = param_set_uint_minmax(val, kp, 0, DELAY_MS_MAX);

	if (!err && system_state >= SYSTEM_RUNNING)
		reporting_kick();
	return err;
}

static const struct kernel_param_ops delay_param_ops = {
	.set = delay_param_set,
	.get = param_get_uint,
};
module_param_cb(page_reporting_delay_ms, &delay_param_ops, &page_reporting_delay_ms, 0644);
MODULE_PARM_DESC(page_reporting_delay_ms,
		 "How long memory stays free before it is reported, in ms");

#ifdef CONFIG_SYSCTL
static int order_handler(const struct ctl_table *table, int write, void *buffer,
			 size_t *lenp, loff_t *ppos)
{
	unsigned int order = READ_ONCE(page_reporting_order), max = pageblock_order;
	struct ctl_table copy = *table;
	int err;

	if (order > max)
		order = max;
	copy.data = &order;
	copy.extra1 = SYSCTL_ZERO;
	copy.extra2 = &max;
	err = proc_douintvec_minmax(&copy, write, buffer, lenp, ppos);
	if (err || !write)
		return err;
	return reporting_set_order(order);
}

static int kick_handler(const struct ctl_table *table, int write, void *buffer,
			size_t *lenp, loff_t *ppos)
{
	int err = proc_douintvec_minmax(table, write, buffer, lenp, ppos);

	if (!err && write) {
		reporting_kick();
		evacuate_start();
	}
	return err;
}

/* "MS" or "MS 1": flush within so many ms, and evacuate first. */
static int flush_handler(const struct ctl_table *table, int write, void *buffer,
			 size_t *lenp, loff_t *ppos)
{
	int args[] = { 0, 0 };
	struct ctl_table copy = *table;
	int err;

	copy.data = args;
	copy.maxlen = sizeof(args);
	err = proc_dointvec(&copy, write, buffer, lenp, ppos);
	if (err)
		return err;
	if (args[0] < 1 || args[0] > DELAY_MS_MAX || args[1] < 0 || args[1] > 1)
		return -EINVAL;
	return flush_run(args[0], args[1]);
}

static int pause_handler(const struct ctl_table *table, int write, void *buffer,
			 size_t *lenp, loff_t *ppos)
{
	unsigned int on = reporting_paused();
	struct ctl_table copy = *table;
	int err;

	copy.data = &on;
	copy.extra1 = SYSCTL_ZERO;
	copy.extra2 = SYSCTL_ONE;
	err = proc_douintvec_minmax(&copy, write, buffer, lenp, ppos);
	if (err || !write)
		return err;
	return reporting_set_pause(on);
}

static unsigned int delay_ms_max = DELAY_MS_MAX;

static struct ctl_table reporting_sysctls[] = {
	{
		.procname	= "page_reporting_order",
		.maxlen		= sizeof(page_reporting_order),
		.mode		= 0644,
		.proc_handler	= order_handler,
	},
	{
		.procname	= "page_reporting_delay_ms",
		.data		= &page_reporting_delay_ms,
		.maxlen		= sizeof(page_reporting_delay_ms),
		.mode		= 0644,
		.proc_handler	= kick_handler,
		.extra1		= SYSCTL_ZERO,
		.extra2		= &delay_ms_max,
	},
	{
		.procname	= "page_reporting_threshold_kbytes",
		.data		= &page_reporting_threshold_kbytes,
		.maxlen		= sizeof(page_reporting_threshold_kbytes),
		.mode		= 0644,
		.proc_handler	= kick_handler,
		.extra1		= SYSCTL_ZERO,
		.extra2		= SYSCTL_INT_MAX,
	},
	{
		.procname	= "page_reporting_flush",
		.maxlen		= 2 * sizeof(int),
		.mode		= 0200,
		.proc_handler	= flush_handler,
	},
	{
		.procname	= "page_reporting_pause",
		.maxlen		= sizeof(unsigned int),
		.mode		= 0644,
		.proc_handler	= pause_handler,
	},
#ifdef CONFIG_PAGE_REPORTING_EVACUATE
	{
		.procname	= "page_reporting_evacuate",
		.data		= &page_reporting_evacuate,
		.maxlen		= sizeof(page_reporting_evacuate),
		.mode		= 0644,
		.proc_handler	= kick_handler,
		.extra1		= SYSCTL_ZERO,
		.extra2		= SYSCTL_ONE,
	},
#endif
};

/**
 * reporting_sysctl_init - offer the knobs
 *
 * Context: Once, at boot.
 * Return: 0; a name that is taken is a warning of sysctl's own.
 */
int __init reporting_sysctl_init(void)
{
	register_sysctl_init("vm", reporting_sysctls);
	return 0;
}
#else
int __init reporting_sysctl_init(void)
{
	return 0;
}
#endif

// SPDX-License-Identifier: GPL-2.0
/*
 * The knobs: /proc/sys/vm/page_reporting_*, and those that users already know also as
 * page_reporting.* on the command line.  A value out of range is refused.
 */
#include <linux/init.h>
#include <linux/mm.h>
#include <linux/moduleparam.h>
#include <linux/sysctl.h>

#include "evacuate.h"
#include "flush.h"
#include "main.h"
#include "state.h"
#include "worker.h"

#define DELAY_MS_MAX	(10 * 60 * 1000)

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
	/*
	 * The next pass applies it.  All built-in parameters share a lock, which
	 * must not be held while the host works.
	 */
	WRITE_ONCE(page_reporting_order, order);
	if (system_state >= SYSTEM_RUNNING)
		fpr_worker_kick();
	return 0;
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
		fpr_worker_kick();
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
	return fpr_set_order(order);
}

static int kick_handler(const struct ctl_table *table, int write, void *buffer,
			size_t *lenp, loff_t *ppos)
{
	int err = proc_douintvec_minmax(table, write, buffer, lenp, ppos);

	if (!err && write) {
		fpr_worker_kick();
		fpr_evacuate_start();
	}
	return err;
}

/* "MS" or "MS FLAGS": flush within so many ms; see fpr_flush() for the flags. */
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
	if (args[0] < 1 || args[0] > DELAY_MS_MAX || args[1] < 0 ||
	    args[1] > FPR_FLUSH_ALL)
		return -EINVAL;
	return fpr_flush(args[0], args[1]);
}

static int pause_handler(const struct ctl_table *table, int write, void *buffer,
			 size_t *lenp, loff_t *ppos)
{
	unsigned int on = fpr_paused_by(FPR_PAUSE_USER);
	struct ctl_table copy = *table;
	int err;

	copy.data = &on;
	copy.extra1 = SYSCTL_ZERO;
	copy.extra2 = SYSCTL_ONE;
	err = proc_douintvec_minmax(&copy, write, buffer, lenp, ppos);
	if (err || !write)
		return err;
	return fpr_set_pause(on);
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

static int __init sysctl_init(void)
{
	register_sysctl_init("vm", reporting_sysctls);
	return 0;
}
subsys_initcall(sysctl_init);
#endif

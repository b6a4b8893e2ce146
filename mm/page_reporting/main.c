// SPDX-License-Identifier: GPL-2.0
/*
 * Free page reporting: the model, and the life of the engine.
 *
 * The model
 *
 *   A granule is 2^page_reporting_order pages, naturally aligned: a pageblock
 *   by default, which is also the largest.  The granule map (map.c) remembers for each
 *   whether it was freed since the host last took it (dirty), and when.  The
 *   allocator's hooks (hooks.c) keep it true:
 *
 *	freed:	pages came to the free lists and have become part of a free
 *		block that covers whole granules.  Those that the freed range
 *		touches are dirty from now; merging changes nothing else.
 *	taken:	a block loses its first pages.  The granules that they lie in are
 *		in use from now on; what is split off keeps its record.
 *
 *   A pass (pass.c) follows the dirty bits upward through memory, isolates the
 *   free blocks of what has been dirty for long enough, hands them to the
 *   device in one request after another, and puts them back as reported.
 *   policy.c says what is due, how much of a zone may be missing and when to look
 *   again; pace.c how long is long enough; request.c how large a request
 *   is; worker.c when a pass runs.
 *
 *   A dirty bit is a promise to look, not a fact: what was free before there
 *   was a map passed no hook, so all memory starts dirty, and a pass that
 *   finds a granule in use drops the bit.
 *
 *   Evacuation (evacuate.c) turns pieces of free memory into whole pageblocks.
 *   Nothing else depends on it.
 *
 * Layers
 *
 *   Each file uses only those to its left:
 *
 *   granule < policy, pace, request, evacuate_policy < state < map < pass < worker < hooks,
 *   evacuate_load, evacuate_look < evacuate_targets < evacuate_unit < evacuate < flush <
 *   main < sysctl, sysfs
 *
 * Locking
 *
 *   registry_lock > fpr_pass_lock > mem_hotplug_lock (read) > zone->lock
 *
 *   zone->lock	guards the records of what is on the free lists.  Whoever has
 *		taken a granule off them owns its record.
 *   fpr_pass_lock  one pass, or one change of the map, at a time; held while
 *		the host works
 *   RCU	the hooks' view of the map and of its tables
 *   mem_hotplug_lock  a table lives as long as its section is online; not held
 *		while the host works
 *
 *   evacuate_running > mem_hotplug_lock (read), offline_lock > zone->lock
 *
 *   evacuate_running  one look, or one part of a plan, at a time
 *   offline_lock  the struct pages of a plan's units exist; not held while pages
 *		are moved
 *
 * Failure
 *
 *   The guest cannot use isolated blocks until the device answers.  What a
 *   request holds is bounded, and there is one at a time: a host that does not
 *   answer costs the guest that much, and is counted as a stall.  An error
 *   makes the blocks dirty again, and the engine tries again later.
 */
#undef pr_fmt
#define pr_fmt(fmt) "page_reporting: " fmt

#include <linux/cc_platform.h>
#include <linux/crash_dump.h>
#include <linux/err.h>
#include <linux/init.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/random.h>
#include <linux/suspend.h>

#include "../page_reporting.h"
#include "evacuate.h"
#include "flush.h"
#include "main.h"
#include "map.h"
#include "request.h"
#include "state.h"
#include "worker.h"

/* A host that has not answered after this time makes a suspend fail. */
#define SUSPEND_TIMEOUT		(10 * HZ)

/* Serialises registration and changes of what is registered. */
static DEFINE_MUTEX(registry_lock);

static void resume_work(void)
{
	fpr_worker_kick();
	fpr_evacuate_start();
}

/**
 * fpr_set_order() - change the order of a granule
 * @order: the new one, at most pageblock_order
 *
 * Everything free will be reported again.
 *
 * Context: Process context; waits for a request that is under way.
 * Return: 0, -EINTR if killed while waiting, or -ENOMEM; then nothing changed.
 */
int fpr_set_order(unsigned int order)
{
	unsigned int was;
	int err = 0;

	if (mutex_lock_killable(&registry_lock))
		return -EINTR;
	if (mutex_lock_killable(&fpr_pass_lock)) {
		mutex_unlock(&registry_lock);
		return -EINTR;
	}
	was = page_reporting_order;
	WRITE_ONCE(page_reporting_order, order);
	if (!fpr_device_is(NULL))
		err = fpr_worker_apply_order();
	if (err)
		WRITE_ONCE(page_reporting_order, was);
	mutex_unlock(&fpr_pass_lock);
	mutex_unlock(&registry_lock);
	fpr_worker_kick();
	return err;
}

/**
 * page_reporting_register() - start to report free memory to a device
 * @prdev: the device; stays in use until page_reporting_unregister()
 *
 * All that is free now is reported once, because the host may still back what an
 * earlier kernel or driver used.
 *
 * Context: Process context, may sleep.  The device must be ready to take
 * requests.
 * Return: 0; -EBUSY if there is a device already; -EOPNOTSUPP where discarding
 * memory would break the guest (memory encryption) or be of no use (a kernel
 * that only saves a crash dump); -ENOMEM.
 */
int page_reporting_register(struct page_reporting_dev_info *prdev)
{
	int err;

	if (cc_platform_has(CC_ATTR_GUEST_MEM_ENCRYPT) || is_kdump_kernel()) {
		pr_info("not used in an encrypted guest or a crash kernel\n");
		return -EOPNOTSUPP;
	}
	if (!fpr_wq)
		return -ENOMEM;

	mutex_lock(&registry_lock);
	if (!fpr_device_is(NULL)) {
		err = -EBUSY;
		goto out;
	}

	if (page_reporting_order == -1)
		WRITE_ONCE(page_reporting_order,
			   prdev->order < pageblock_order ? prdev->order :
							    pageblock_order);
	if (!prdev->capacity || prdev->capacity > PAGE_REPORTING_CAPACITY)
		prdev->capacity = PAGE_REPORTING_CAPACITY;

	mutex_lock(&fpr_pass_lock);
	WRITE_ONCE(fpr_request_pages, REQUEST_FIRST);
	err = fpr_worker_apply_order();
	mutex_unlock(&fpr_pass_lock);
	if (err)
		goto out;

	static_branch_enable(&page_reporting_in_use);
	fpr_device_set(prdev);
	fpr_worker_start();
	fpr_evacuate_start();
	pr_info("Free page reporting enabled, %lu KiB a granule\n",
		PAGE_SIZE / 1024 << page_reporting_granule_order);
out:
	mutex_unlock(&registry_lock);
	return err;
}
EXPORT_SYMBOL_GPL(page_reporting_register);

/**
 * page_reporting_unregister() - stop to report to a device
 * @prdev: the device; nothing happens if it is not the registered one
 *
 * What was known of the memory is forgotten: the next device may be another
 * host's.
 *
 * Context: Process context; waits for the device to answer a request that is
 * under way.
 */
void page_reporting_unregister(struct page_reporting_dev_info *prdev)
{
	mutex_lock(&registry_lock);
	if (fpr_device_is(prdev)) {
		fpr_device_set(NULL);
		fpr_worker_stop();
		fpr_flush_stop();
		static_branch_disable(&page_reporting_in_use);
		mutex_lock(&fpr_pass_lock);
		fpr_map_drop();
		mutex_unlock(&fpr_pass_lock);
	}
	mutex_unlock(&registry_lock);
}
EXPORT_SYMBOL_GPL(page_reporting_unregister);

/**
 * fpr_resync() - report everything free again
 *
 * For when the host may have backed again what it once took.
 *
 * Context: Process context; waits for a request that is under way.
 */
void fpr_resync(void)
{
	mutex_lock(&fpr_pass_lock);
	fpr_map_forget();
	mutex_unlock(&fpr_pass_lock);
	fpr_stat_add(FPR_STAT_RESYNCS, 1);
	fpr_worker_kick();
}

/**
 * fpr_set_pause() - stop reporting, or go on
 * @on: stop
 *
 * Context: Process context; to stop, waits for a request that is under way.
 * Return: 0; or -EINTR if killed while waiting: reporting is paused, but the
 * last request may still be at the host.
 */
int fpr_set_pause(bool on)
{
	if (!on) {
		if (fpr_pause_clear(FPR_PAUSE_USER))
			resume_work();
		return 0;
	}
	fpr_pause_set(FPR_PAUSE_USER);
	if (mutex_lock_killable(&fpr_pass_lock))
		return -EINTR;
	mutex_unlock(&fpr_pass_lock);
	return 0;
}

/*
 * Hibernation counts and copies free memory before it freezes workqueues, so
 * nothing may be away by then.
 */
static int pause_for_suspend(void)
{
	unsigned long end = jiffies + SUSPEND_TIMEOUT;

	fpr_pause_set(FPR_PAUSE_SUSPEND);
	while (!mutex_trylock(&fpr_pass_lock)) {
		if (time_after(jiffies, end)) {
			pr_warn("host does not answer, aborting suspend\n");
			goto fail;
		}
		schedule_timeout_uninterruptible(max(HZ / 100, 1));
	}
	mutex_unlock(&fpr_pass_lock);
	if (fpr_evacuate_wait(end))
		return 0;
	pr_warn("pages are still being moved, aborting suspend\n");
fail:
	fpr_pause_clear(FPR_PAUSE_SUSPEND);
	resume_work();
	return -EBUSY;
}

static int pm_notify(struct notifier_block *nb, unsigned long event, void *arg)
{
	switch (event) {
	case PM_HIBERNATION_PREPARE:
	case PM_SUSPEND_PREPARE:
	case PM_RESTORE_PREPARE:
		return notifier_from_errno(pause_for_suspend());
	case PM_POST_HIBERNATION:
	case PM_POST_RESTORE:
		/* The image was read into memory that the host had dropped. */
		fpr_resync();
		fallthrough;
	case PM_POST_SUSPEND:
		fpr_pause_clear(FPR_PAUSE_SUSPEND);
		resume_work();
		break;
	}
	return NOTIFY_OK;
}

static struct notifier_block pm_nb = { .notifier_call = pm_notify };

/* The VM was cloned, or restored from a snapshot: the host may back all of it. */
static int vm_forked(struct notifier_block *nb, unsigned long event, void *arg)
{
	fpr_resync();
	return NOTIFY_OK;
}

static struct notifier_block vmfork_nb = { .notifier_call = vm_forked };

static int __init page_reporting_init(void)
{
	int err = register_pm_notifier(&pm_nb);

	if (!err)
		err = register_random_vmfork_notifier(&vmfork_nb);
	return err;
}

/* Before any driver registers. */
subsys_initcall(page_reporting_init);

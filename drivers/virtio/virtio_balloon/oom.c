// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The last chance before the OOM killer: give pages back.
 *
 * Runs under oom_lock, where every allocating task of the guest may be waiting,
 * so it allocates nothing, takes no lock that is held across the host's answer,
 * and waits for the host only if nothing would come back otherwise, and not for long.
 * It returns what really became free.
 *
 * One call frees far more than a page fault needs: each call stands at the end of
 * some fruitless rounds of reclaim, which is what makes a big allocation slow.
 * Steps double while calls come in quick succession.
 */
#include <linux/oom.h>
#include <linux/sizes.h>

#include "balloon.h"

#define OOM_PRIORITY	80

#define OOM_STEP_MIN	(SZ_32M >> PAGE_SHIFT)
#define OOM_STEP_MAX	(SZ_256M >> PAGE_SHIFT)
#define OOM_SOON	(5 * HZ)

/* How long the host may keep oom_lock waiting when it must be told first. */
#define OOM_TIMEOUT	(HZ / 2)

static unsigned long oom_step(struct virtio_balloon *vb)
{
	struct vb_oom *oom = &vb->oom;
	unsigned long now = jiffies;

	lockdep_assert_held(&oom->lock);
	if (oom->step && time_before(now, oom->last + OOM_SOON))
		oom->step = min_t(unsigned long, 2 * oom->step, OOM_STEP_MAX);
	else
		oom->step = OOM_STEP_MIN;
	oom->last = now;
	return oom->step;
}

static int oom_notify(struct notifier_block *nb, unsigned long unused, void *data)
{
	struct virtio_balloon *vb = container_of(nb, struct virtio_balloon, oom.nb);
	unsigned long want, got, *freed = data;

	if (READ_ONCE(vb->life) != VB_ON)
		return NOTIFY_DONE;

	/* Only one OOM at a time is handled, except by sysrq; be safe all the same. */
	spin_lock(&vb->oom.lock);
	want = oom_step(vb);
	spin_unlock(&vb->oom.lock);

	got = vb_release(vb, VB_REASON_OOM, want, NUMA_NO_NODE, OOM_TIMEOUT);
	atomic_long_add(got, &vb->oom.nr_released);
	*freed += got;
	return NOTIFY_OK;
}

/**
 * vb_oom_register() - be called before the OOM killer strikes
 * @vb: the balloon, online
 *
 * Registered whatever the features are: without VIRTIO_BALLOON_F_DEFLATE_ON_OOM
 * no page of the balloon may be touched, but inflation stops for a while.
 *
 * Context: Process context.
 * Return: 0 or -errno.
 */
int vb_oom_register(struct virtio_balloon *vb)
{
	spin_lock_init(&vb->oom.lock);
	vb->oom.nb.notifier_call = oom_notify;
	vb->oom.nb.priority = OOM_PRIORITY;
	return register_oom_notifier(&vb->oom.nb);
}

/**
 * vb_oom_unregister() - undo vb_oom_register()
 * @vb: the balloon
 *
 * Context: Process context; waits for a call that is under way.
 */
void vb_oom_unregister(struct virtio_balloon *vb)
{
	unregister_oom_notifier(&vb->oom.nb);
}

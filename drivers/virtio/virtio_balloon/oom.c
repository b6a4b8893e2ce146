// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The last chance before the OOM killer: give pages back.
 *
 * Runs under oom_lock, where every allocating task of the guest may be waiting,
 * so it allocates nothing, takes no lock that is held across the host's answer,
 * and waits for the host only if otherwise nothing would come back, for a bounded
 * time.  What it returns is what really became free.
 *
 * One call frees far more than a page fault needs: each call stands at the end of
 * some fruitless rounds of reclaim, which is what makes a big allocation slow.
 * Steps double while calls come in quick succession.
 */
#include <linux/oom.h>
#include <linux/sizes.h>
#include <trace/events/virtio_balloon.h>

#include "balloon.h"

#define BALLOON_OOM_PRIORITY	80

#define BALLOON_OOM_STEP_MIN	(SZ_32M >> PAGE_SHIFT)
#define BALLOON_OOM_STEP_MAX	(SZ_256M >> PAGE_SHIFT)
#define BALLOON_OOM_SOON	(5 * HZ)

/* How long the host may keep oom_lock waiting when it must be told first. */
#define BALLOON_OOM_TIMEOUT	(HZ / 2)

static unsigned long oom_step(struct virtio_balloon *vb)
{
	struct balloon_oom *oom = &vb->oom;
	unsigned long now = jiffies;

	lockdep_assert_held(&oom->lock);
	if (oom->step && time_before(now, oom->last + BALLOON_OOM_SOON))
		oom->step = min_t(unsigned long, 2 * oom->step, BALLOON_OOM_STEP_MAX);
	else
		oom->step = BALLOON_OOM_STEP_MIN;
	oom->last = now;
	return oom->step;
}

static int balloon_oom_notify(struct notifier_block *nb, unsigned long unused, void *data)
{
	struct virtio_balloon *vb = container_of(nb, struct virtio_balloon, oom.nb);
	unsigned long want, got, *freed = data;

	if (READ_ONCE(vb->life) != BALLOON_ON)
		return NOTIFY_DONE;

	/* Only one OOM at a time is handled, but for sysrq; be safe all the same. */
	spin_lock(&vb->oom.lock);
	want = oom_step(vb);
	spin_unlock(&vb->oom.lock);

	/* Hinted blocks cost nothing to give back: the host is not involved. */
	got = balloon_hints_release(vb, want);

	/* Whatever the host allows, taking still more would be wrong now. */
	balloon_size_hold(vb, BALLOON_REASON_OOM);

	if (balloon_relief_mode(vb) != BALLOON_RELIEF_NONE && got < want)
		got += balloon_relieve(vb, want - got, BALLOON_OOM_TIMEOUT);
	atomic_long_add(got, &vb->oom.nr_released);

	trace_virtio_balloon_relief(vb->vdev, BALLOON_REASON_OOM, want, got,
				    atomic_long_read(&vb->nr_pages));
	if (got) {
		*freed += got;
		balloon_size_kick(vb);
	}
	return NOTIFY_OK;
}

/**
 * balloon_oom_register() - be called before the OOM killer strikes
 * @vb: the balloon, online
 *
 * Registered whatever the features are: without VIRTIO_BALLOON_F_DEFLATE_ON_OOM
 * no page of the balloon may be touched, but inflation stops for a while.
 *
 * Context: Process context.
 * Return: 0 or -errno.
 */
int balloon_oom_register(struct virtio_balloon *vb)
{
	spin_lock_init(&vb->oom.lock);
	vb->oom.nb.notifier_call = balloon_oom_notify;
	vb->oom.nb.priority = BALLOON_OOM_PRIORITY;
	return register_oom_notifier(&vb->oom.nb);
}

/**
 * balloon_oom_unregister() - undo balloon_oom_register()
 * @vb: the balloon
 *
 * Context: Process context; waits for a call that is under way.
 */
void balloon_oom_unregister(struct virtio_balloon *vb)
{
	unregister_oom_notifier(&vb->oom.nb);
}

// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A device that does at random what a host can do to a driver: lengths, ids, order and
 * time of its answers, indices of the rings, the config space, interrupts, and status.
 *
 * A round is one life of a device, and its seed decides what the device does in it.
 * A kernel that was started with virtio_balloon.fuzz_seed=N begins with that one.
 *
 * Whatever the device does, what the software device checks in each test must hold: no
 * page is used that is the device's, each page comes back, the driver keeps to the
 * protocol, and lets go of the device soon.
 */
#include <linux/delay.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/prandom.h>

#include "softdev.h"

/* Steps of the device in a round, at most. */
#define ROUND_STEPS	80

static ulong fuzz_seed = 1;
module_param(fuzz_seed, ulong, 0600);
MODULE_PARM_DESC(fuzz_seed, "Seed of the first round; each further one has the next number");

static uint fuzz_seconds = 5;
module_param(fuzz_seconds, uint, 0600);
MODULE_PARM_DESC(fuzz_seconds, "How long the device that does things at random is tested");

static struct rnd_state rnd;

static u32 below(u32 limit)
{
	return prandom_u32_state(&rnd) % limit;
}

static bool once_in(u32 n)
{
	return !below(n);
}

/* Small numbers, powers of two and their neighbours, and any. */
static u32 odd_number(void)
{
	switch (below(3)) {
	case 0:
		return below(64);
	case 1:
		return BIT(below(32)) - 1 + below(3);
	default:
		return prandom_u32_state(&rnd);
	}
}

static u64 some_features(void)
{
	static const u64 known[] = {
		F_TELL, F_STATS, F_LENT, F_HINTS, F_POISON, F_REPORTING,
		BIT_ULL(VIRTIO_RING_F_EVENT_IDX), BIT_ULL(VIRTIO_RING_F_INDIRECT_DESC),
		BIT_ULL(VIRTIO_F_ACCESS_PLATFORM),
	};
	/* A device without it is a legacy one. */
	u64 features = once_in(8) ? 0 : BIT_ULL(VIRTIO_F_VERSION_1);
	int i;

	for (i = 0; i < ARRAY_SIZE(known); i++)
		if (!once_in(4))
			features |= known[i];
	/* Bits that nobody has given a meaning. */
	if (once_in(4))
		features |= BIT_ULL(6 + below(16));
	return features;
}

static u32 some_target(void)
{
	/* All there is takes its time. */
	return once_in(200) ? U32_MAX : below(10 * VB_REQUEST_PAGES);
}

static u32 some_command(void)
{
	static const u32 ids[] = { VIRTIO_BALLOON_CMD_ID_STOP, VIRTIO_BALLOON_CMD_ID_DONE };

	return once_in(2) ? ids[below(ARRAY_SIZE(ids))] : odd_number();
}

/* The config space as the device likes it; what only the driver writes stays. */
static void write_config(struct softdev *dev)
{
	spin_lock_irq(&dev->config_lock);
	dev->config.num_pages = cpu_to_le32(below(10 * VB_REQUEST_PFNS));
	dev->config.free_page_hint_cmd_id = cpu_to_le32(some_command());
	dev->config.poison_val = cpu_to_le32(odd_number());
	dev->generation = odd_number();
	spin_unlock_irq(&dev->config_lock);
	if (once_in(2))
		softdev_interrupt(dev, SOFTDEV_IRQ_CONFIG);
}

/* What breaks a queue. */
static void abuse_queue(struct softdev *dev, enum softdev_kind kind)
{
	switch (below(5)) {
	case 0:
		softdev_jump(dev, kind, once_in(2) ? U16_MAX : odd_number());
		break;
	case 1:
		softdev_use_any(dev, kind, odd_number());
		break;
	default:
		softdev_use_any(dev, kind, below(dev->ring_size));
	}
}

static void end_device(struct softdev *dev)
{
	if (once_in(2))
		softdev_needs_reset(dev);
	else
		virtio_break_device(&dev->vdev);
	if (once_in(2))
		softdev_interrupt(dev, SOFTDEV_IRQ_CONFIG);
}

static void sleep_and_wake(struct kunit *test, struct softdev *dev)
{
#ifdef CONFIG_PM_SLEEP
	/* As the core of power management does; a recovery would take the lock. */
	device_lock(&dev->vdev.dev);
	KUNIT_EXPECT_EQ(test, virtio_device_freeze(&dev->vdev), 0);
	KUNIT_EXPECT_EQ(test, virtio_device_restore(&dev->vdev), 0);
	device_unlock(&dev->vdev.dev);
#endif
}

static void step(struct kunit *test, struct softdev *dev)
{
	enum softdev_kind kind = below(SOFTDEV_NR_KINDS);

	switch (below(20)) {
	case 0 ... 2:
		softdev_target(dev, some_target());
		break;
	case 3 ... 4:
		softdev_command(dev, some_command());
		break;
	case 5:
		write_config(dev);
		break;
	case 6 ... 7:
		softdev_hold(dev, kind, true);
		break;
	case 8 ... 9:
		softdev_release(dev, kind);
		break;
	case 10 ... 12:
		softdev_answer_nth(dev, kind, below(max(softdev_held(dev, kind), 1U)));
		break;
	case 13:
		softdev_answer_reversed(dev, kind);
		break;
	case 14:
		WRITE_ONCE(dev->used_len, odd_number());
		break;
	case 15:
		softdev_interrupt(dev, below(SOFTDEV_NR_KINDS + 1));
		break;
	case 16:
		softdev_want_no_kicks(dev, kind, once_in(2));
		break;
	case 17:
		softdev_look(dev);
		break;
	case 18:
		dev->mute = once_in(3);
		dev->restless = once_in(3);
		break;
	case 19:
		if (once_in(4))
			abuse_queue(dev, kind);
		else if (once_in(20))
			end_device(dev);
		else if (once_in(10))
			sleep_and_wake(test, dev);
		else if (once_in(4))
			softdev_oom(dev);
	}
	if (once_in(2))
		usleep_range(0, 20 * below(100) + 1);
}

/* The device is good from now on, unless the driver has given it up for a while. */
static bool behave(struct softdev *dev)
{
	struct virtio_balloon *vb = softdev_balloon(dev);
	enum softdev_kind kind;

	dev->mute = false;
	dev->restless = false;
	for (kind = 0; kind < SOFTDEV_NR_KINDS; kind++) {
		softdev_want_no_kicks(dev, kind, false);
		softdev_hold(dev, kind, kind == SOFTDEV_STATS);
	}
	softdev_look(dev);
	for (kind = 0; kind < SOFTDEV_NR_KINDS; kind++) {
		if (kind != SOFTDEV_STATS)
			softdev_answer(dev, kind);
		softdev_interrupt(dev, kind);
	}
	softdev_interrupt(dev, SOFTDEV_IRQ_CONFIG);
	irq_work_sync(&dev->irq);
	softdev_finish_work(dev);
	return READ_ONCE(vb->life) == VB_ON && !vb_needs_reset(vb) &&
	       !delayed_work_pending(&vb->recover.work);
}

static void still_works(struct kunit *test, struct softdev *dev)
{
	softdev_command(dev, VIRTIO_BALLOON_CMD_ID_DONE);
	/* After the guest took pages back it may not inflate for a while, but deflate. */
	softdev_resize(dev, 0);
	if (virtio_has_feature(&dev->vdev, VIRTIO_BALLOON_F_STATS_VQ)) {
		unsigned long taken = softdev_taken(dev, SOFTDEV_STATS);

		KUNIT_EXPECT_TRUE(test, softdev_wait(softdev_held(dev, SOFTDEV_STATS)));
		softdev_answer(dev, SOFTDEV_STATS);
		KUNIT_EXPECT_TRUE(test, softdev_wait(softdev_taken(dev, SOFTDEV_STATS) > taken));
	}
}

/* Returns whether the device worked at its end. */
static bool run_round(struct kunit *test, unsigned long seed)
{
	struct softdev *dev;
	bool good = false;
	u32 steps;

	prandom_seed_state(&rnd, seed);
	dev = softdev_create(test, some_features());
	dev->ring_size = BIT(below(8));
	dev->same_lines = UINT_MAX;
	dev->legacy = once_in(4);
	dev->eager = once_in(4);
	dev->scribble = once_in(2);
	dev->shows_no_id = once_in(2);
	dev->used_len = odd_number();
	softdev_target(dev, some_target());
	if (once_in(30))
		dev->no_queues = -ENOMEM;
	else if (once_in(30))
		dev->refuse_features = true;

	if (softdev_plug(dev)) {
		for (steps = below(ROUND_STEPS); steps; steps--)
			step(test, dev);
		if (once_in(10)) {
			dev->gone = true;
			virtio_break_device(&dev->vdev);
		} else if (!once_in(4)) {
			good = behave(dev);
			if (good)
				still_works(test, dev);
		}
	}
	softdev_destroy(dev);
	return good;
}

static void does_anything(struct kunit *test)
{
	unsigned long end = jiffies + READ_ONCE(fuzz_seconds) * HZ;
	unsigned long seed = READ_ONCE(fuzz_seed), nr = 0, nr_good = 0;

	while (!nr || time_before(jiffies, end)) {
		nr_good += run_round(test, seed);
		nr++;
		if (READ_ONCE(test->status) == KUNIT_FAILURE) {
			kunit_err(test, "the round of seed %lu failed", seed);
			return;
		}
		seed++;
	}
	kunit_info(test, "%lu rounds from seed %lu on, %lu to a good end", nr,
		   READ_ONCE(fuzz_seed), nr_good);
}

static struct kunit_case fuzz_cases[] = {
	KUNIT_CASE(does_anything),
	{ }
};

static struct kunit_suite fuzz_suite = {
	.name = "virtio_balloon_random_device",
	.suite_init = softdev_suite_init,
	.suite_exit = softdev_suite_exit,
	.test_cases = fuzz_cases,
};

kunit_test_suite(fuzz_suite);

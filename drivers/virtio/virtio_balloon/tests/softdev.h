/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A balloon device made of software, for KUnit: a virtio transport inside the
 * kernel whose other end reads real virtqueues and behaves as a test tells it to.
 * The driver binds to it as to any other device.
 *
 * The device watches the driver while it does so.  What a driver must not do by the
 * specification is a fault, and softdev_destroy() fails the test over it; a test
 * merely arranges the situation.
 *
 *   softdev.c		config space, status, queues, interrupts
 *   softdev_pages.c	the host's view of the guest's memory: whose a page is
 *   softdev_hints.c	the host's side of free page hinting and statistics
 *   softdev_abuse.c	what no device may do, kept account of all the same
 *   softdev_log.c	what the driver wrote into the kernel log
 *
 * A test uses one device at a time, from one task.
 */
#ifndef _DRIVERS_VIRTIO_BALLOON_SOFTDEV_H
#define _DRIVERS_VIRTIO_BALLOON_SOFTDEV_H

#include <kunit/test.h>
#include <linux/completion.h>
#include <linux/irq_work.h>
#include <linux/jiffies.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/sched.h>
#include <linux/spinlock.h>
#include <linux/uio.h>
#include <linux/virtio.h>
#include <linux/virtio_balloon.h>
#include <linux/virtio_config.h>
#include <linux/vringh.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>

#include "../balloon.h"

/* What a device may offer. */
#define F_MODERN		(BIT_ULL(VIRTIO_F_VERSION_1) | BIT_ULL(VIRTIO_RING_F_EVENT_IDX))
#define F_TELL		BIT_ULL(VIRTIO_BALLOON_F_MUST_TELL_HOST)
#define F_STATS		BIT_ULL(VIRTIO_BALLOON_F_STATS_VQ)
#define F_LENT		BIT_ULL(VIRTIO_BALLOON_F_DEFLATE_ON_OOM)
#define F_HINTS		BIT_ULL(VIRTIO_BALLOON_F_FREE_PAGE_HINT)
#define F_POISON		BIT_ULL(VIRTIO_BALLOON_F_PAGE_POISON)
#define F_REPORTING		BIT_ULL(VIRTIO_BALLOON_F_REPORTING)

/* Guest pages: some requests, of which the last is not full. */
#define SOFTDEV_SOME		(3 * VB_REQUEST_PAGES - 20)

/* Nothing takes that long, and so a test that waits for it in vain has failed. */
#define SOFTDEV_PATIENCE	(20 * HZ)

/* Waits for @cond, which may be about the device, the driver or memory. */
#define softdev_wait(cond)						\
({									\
	unsigned long softdev_end = jiffies + SOFTDEV_PATIENCE;		\
	bool softdev_met;						\
									\
	while (!(softdev_met = (cond)) && time_before(jiffies, softdev_end)) \
		schedule_timeout_uninterruptible(1);			\
	softdev_met;							\
})

/* The queues, in the order of the specification. */
enum softdev_kind {
	SOFTDEV_INFLATE,
	SOFTDEV_DEFLATE,
	SOFTDEV_STATS,
	SOFTDEV_HINTS,
	SOFTDEV_REPORTING,
	SOFTDEV_NR_KINDS,
};

/**
 * struct softdev_buffer - a buffer that the driver has made available
 * @node: on the queue's list until it is answered
 * @kind: the queue
 * @head: its first descriptor
 * @nr_out: ranges the device reads
 * @nr_in: ranges the device writes
 * @ranges: all of them, in order; iov_base is a physical address
 */
struct softdev_buffer {
	struct list_head node;
	enum softdev_kind kind;
	u16 head;
	unsigned int nr_out;
	unsigned int nr_in;
	struct kvec ranges[];
};

/**
 * struct softdev_queue - one virtqueue, from the device's side
 * @vq: the driver's side, NULL if there is none
 * @vringh: the device's side
 * @hold: do not answer; buffers stay on @buffers until softdev_answer()
 * @spoilt: what the driver finds next is no answer, until it resets the device
 * @buffers: what is not answered, oldest first
 * @nr_held: length of @buffers
 * @nr_taken: buffers the device has seen since softdev_plug()
 */
struct softdev_queue {
	struct virtqueue *vq;
	struct vringh vringh;
	bool hold;
	bool spoilt;
	struct list_head buffers;
	unsigned int nr_held;
	unsigned long nr_taken;
};

#define SOFTDEV_IDS	64

/**
 * struct softdev - the device
 * @vdev: what the driver sees
 * @test: the test it belongs to
 * @offered: feature bits
 * @ring_size: descriptors of each queue
 * @no_queues: what finding the queues ends with: 0 or -errno
 * @refuse_features: never accepts what the driver has chosen
 * @gone: pulled out of its slot: all that is read from it is ones
 * @used_len: length it reports with each used buffer
 * @one_way: the driver must not inflate while it deflates, nor the reverse
 * @scribble: writes into memory that was hinted as free
 * @shows_no_id: shows 0 instead of the command id once that has been taken up
 * @eager: answers the first statistics as soon as DRIVER_OK is set
 * @mute: answers without an interrupt
 * @legacy: the generation of its config space is always 0
 * @restless: that generation is another one each time it is read
 * @same_lines: how often the driver may write the same into the log
 * @plugged: registered on the bus
 * @released: nothing refers to @vdev any more
 * @wq: the device's own thread
 * @work: looks at queues that were kicked
 * @kicked: bit per queue
 * @irq: interrupts the driver
 * @irqs: bit per queue, and SOFTDEV_IRQ_CONFIG
 * @lock: guards the queues and what was seen on them
 * @config_lock: guards the config space, its generation and the status
 * @config: config space
 * @generation: how often the config space has changed
 * @status: status field
 * @queues: by kind
 * @nr_actual: how often the driver wrote the field actual
 * @nr_resets: resets since softdev_plug()
 * @pages: by guest page frame number, whose a page is
 * @nr_pages: pages that are the device's
 * @nr_unannounced: pages that were neither given back nor acknowledged at a reset
 * @stats: the last statistics
 * @nr_stats: entries in it
 * @ids: what came on the hinting queue in output buffers
 * @nr_ids: how many came, of which the first SOFTDEV_IDS are kept
 * @nr_hints: blocks that came
 * @hint_id: id of the command that is being carried out; 0 if none
 * @last_id: id of the command before or of this one
 * @fault_lock: guards @fault and @nr_faults
 * @fault: the first
 * @nr_faults: what the driver did and must not do
 */
struct softdev {
	struct virtio_device vdev;
	struct kunit *test;

	u64 offered;
	unsigned int ring_size;
	int no_queues;
	bool refuse_features;
	bool gone;
	u32 used_len;
	bool one_way;
	bool scribble;
	bool shows_no_id;
	bool eager;
	bool mute;
	bool legacy;
	bool restless;
	unsigned int same_lines;

	bool plugged;
	struct completion released;
	struct workqueue_struct *wq;
	struct work_struct work;
	unsigned long kicked;
	struct irq_work irq;
	unsigned long irqs;
	struct mutex lock;		/* queues, pages, stats, ids */
	spinlock_t config_lock;		/* config, generation, status */
	struct virtio_balloon_config config;
	u32 generation;
	u8 status;
	struct softdev_queue queues[SOFTDEV_NR_KINDS];
	unsigned int nr_actual;
	unsigned int nr_resets;

	struct xarray pages;
	unsigned long nr_pages;
	unsigned long nr_unannounced;

	struct virtio_balloon_stat stats[VIRTIO_BALLOON_S_NR];
	unsigned int nr_stats;

	u32 ids[SOFTDEV_IDS];
	unsigned int nr_ids;
	unsigned long nr_hints;
	u32 hint_id;
	u32 last_id;

	spinlock_t fault_lock;		/* fault, nr_faults */
	char fault[128];
	unsigned int nr_faults;
};

#define SOFTDEV_IRQ_CONFIG	SOFTDEV_NR_KINDS

static inline struct softdev *to_softdev(struct virtio_device *vdev)
{
	return container_of(vdev, struct softdev, vdev);
}

/* The driver's state; NULL while no driver is bound. */
static inline struct virtio_balloon *softdev_balloon(struct softdev *dev)
{
	return dev->vdev.priv;
}

/* softdev.c: life */
struct softdev *softdev_create(struct kunit *test, u64 features);
bool softdev_plug(struct softdev *dev);
void softdev_unplug(struct softdev *dev);
void softdev_renew(struct softdev *dev);
void softdev_destroy(struct softdev *dev);
__printf(2, 3) void softdev_fault(struct softdev *dev, const char *format, ...);

/* softdev.c: what the device does */
void softdev_target(struct softdev *dev, u32 guest_pages);
void softdev_command(struct softdev *dev, u32 id);
void softdev_interrupt(struct softdev *dev, unsigned int irq);
void softdev_hold(struct softdev *dev, enum softdev_kind kind, bool hold);
void softdev_answer(struct softdev *dev, enum softdev_kind kind);
void softdev_answer_oldest(struct softdev *dev, enum softdev_kind kind, unsigned int nr);
void softdev_answer_reversed(struct softdev *dev, enum softdev_kind kind);
void softdev_answer_wrongly(struct softdev *dev, enum softdev_kind kind, u16 id);
void softdev_release(struct softdev *dev, enum softdev_kind kind);
void softdev_needs_reset(struct softdev *dev);
unsigned int softdev_held(struct softdev *dev, enum softdev_kind kind);
unsigned long softdev_taken(struct softdev *dev, enum softdev_kind kind);
u32 softdev_actual(struct softdev *dev);

/* softdev.c: for softdev_abuse.c */
void softdev_answer_buffer(struct softdev *dev, struct softdev_buffer *buf);

/* softdev_abuse.c */
bool softdev_answer_nth(struct softdev *dev, enum softdev_kind kind, unsigned int nth);
void softdev_use_any(struct softdev *dev, enum softdev_kind kind, u16 id);
void softdev_jump(struct softdev *dev, enum softdev_kind kind, u16 by);
void softdev_want_no_kicks(struct softdev *dev, enum softdev_kind kind, bool none);
void softdev_look(struct softdev *dev);

/* softdev_pages.c */
void softdev_pages_take(struct softdev *dev, struct softdev_buffer *buf);
void softdev_pages_answer(struct softdev *dev, struct softdev_buffer *buf);
void softdev_pages_reset(struct softdev *dev);
bool softdev_pages_agree(struct softdev *dev);
unsigned long softdev_pages_whole(struct softdev *dev);
unsigned long softdev_pages_touched(struct softdev *dev);
unsigned long softdev_pages_lost(struct softdev *dev);
unsigned long softdev_pages_bare(struct softdev *dev);
void softdev_report_take(struct softdev *dev, struct softdev_buffer *buf);
void softdev_report_answer(struct softdev *dev, struct softdev_buffer *buf);
void softdev_scribble(struct softdev *dev, const struct kvec *range);

/* softdev_hints.c */
void softdev_stats_take(struct softdev *dev, struct softdev_buffer *buf);
void softdev_hint_take(struct softdev *dev, struct softdev_buffer *buf);

/* softdev_log.c */
void softdev_log_start(void);
void softdev_log_stop(void);
unsigned int softdev_log_count(const char *words);
unsigned int softdev_log_most(void);

/* softdev_steps.c */
struct softdev *softdev_start(struct kunit *test, u64 features);
void softdev_expect_size(struct softdev *dev, unsigned long guest_pages);
void softdev_resize(struct softdev *dev, unsigned long guest_pages);
void softdev_finish_work(struct softdev *dev);
unsigned long softdev_oom(struct softdev *dev);
bool softdev_hints_settled(struct softdev *dev);
void softdev_fill_memory(struct list_head *blocks, unsigned long leave);
void softdev_free_memory(struct list_head *blocks);
int softdev_suite_init(struct kunit_suite *suite);
void softdev_suite_exit(struct kunit_suite *suite);

#endif /* _DRIVERS_VIRTIO_BALLOON_SOFTDEV_H */

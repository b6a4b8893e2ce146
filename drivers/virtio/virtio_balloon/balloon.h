/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The virtio balloon driver's inner header: the state of one device, and what
 * each file of this directory offers the others.
 *
 * How the parts meet
 *
 * Pages go to the host and come back in *requests*: a list of page frame
 * numbers, put on the inflate or the deflate queue, and the pages themselves,
 * whose fate the host's answer decides (request.c).  Nothing that runs on the
 * driver's workqueue waits for the host: a step sends what it can and returns,
 * the answer's interrupt starts the next step.  A host that never answers thus
 * blocks neither suspend nor removal, and memory pressure can take pages back
 * while an inflate request is still out.
 *
 * Three callers do wait, each with a bound or an end: free page reporting (until
 * the answer or the device's reset), page migration and the OOM path (a short
 * time).  They hold vb->users for reading and are driven out by
 * balloon_take_down().
 *
 * Who owns a page.  From the moment its number is on the inflate queue until
 * the host has taken it back on the deflate queue and acknowledged that, or the
 * device has been reset, the page is the device's.  A device that hangs or
 * breaks keeps its pages until it is reset; they are never freed on a guess.
 *
 * Locks, outermost first: vb->users, balloon_queue.lock, and, never together
 * with that, balloon_dev_info.pages_lock, vb->quiet_lock, balloon_size.lock.
 */
#ifndef _DRIVERS_VIRTIO_BALLOON_H
#define _DRIVERS_VIRTIO_BALLOON_H

#include <linux/atomic.h>
#include <linux/balloon_compaction.h>
#include <linux/balloon_pressure.h>
#include <linux/irq_work.h>
#include <linux/ktime.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/notifier.h>
#include <linux/page_reporting.h>
#include <linux/rwsem.h>
#include <linux/spinlock.h>
#include <linux/virtio.h>
#include <linux/virtio_balloon.h>
#include <linux/virtio_config.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "pressure_policy.h"
#include "size_policy.h"

/* The device counts in 4 KiB pages whatever the guest's page size is. */
#define BALLOON_PFNS_PER_PAGE	(1U << (PAGE_SHIFT - VIRTIO_BALLOON_PFN_SHIFT))

/*
 * Page frame numbers in one request.  The specification sets no limit, but
 * hosts exist that refuse longer buffers than this.
 */
#define BALLOON_REQUEST_PFNS	256U
#define BALLOON_REQUEST_PAGES	(BALLOON_REQUEST_PFNS / BALLOON_PFNS_PER_PAGE)

/* Two inflate requests overlap the allocation of one with the wait for another. */
#define BALLOON_INFLATE_REQUESTS	3U	/* the third is for migration */
/* What can be taken back at one go without waiting: 128 MiB. */
#define BALLOON_DEFLATE_REQUESTS	128U

/* A host silent for so long may want a reset, or be worth a line in the log. */
#define BALLOON_STALL_LATE	(5 * HZ)
#define BALLOON_STALL_WARN	(30 * HZ)

struct virtio_balloon;

/* What the device may be asked for at this moment. */
enum balloon_life {
	/* Before DRIVER_OK, or after the reset: the device owns nothing. */
	BALLOON_OFF,
	/* Running: requests may be sent. */
	BALLOON_ON,
	/* About to be reset: no new request, what is out is still the device's. */
	BALLOON_STOPPING,
};

/**
 * struct balloon_request - pages on their way to or from the host
 * @node: on the idle or the answered list of the queue, or on the list in flight
 * @pages: the pages, as far as the request still holds them
 * @migrated: a page that a migration left behind; its ->lru is not ours to use
 * @nr_pages: guest pages the request speaks of, whether still held or not
 * @sent: when it was put on the ring
 * @waited: a caller of balloon_request_wait() will finish it
 * @orphaned: its waiter gave up; whoever reaps it finishes it
 * @answered: the host has used the buffer
 * @pfns: what the device reads
 */
struct balloon_request {
	struct list_head node;
	struct list_head pages;
	struct page *migrated;
	unsigned int nr_pages;
	ktime_t sent;
	bool waited;
	bool orphaned;
	bool answered;
	__virtio32 pfns[BALLOON_REQUEST_PFNS];
};

/**
 * struct balloon_queue - the inflate or the deflate queue with its requests
 * @vq: the virtqueue; valid between balloon_bring_up() and balloon_take_down()
 * @lock: guards the ring and all below
 * @idle: requests nobody uses
 * @in_flight: requests on the ring, oldest first
 * @answered: requests the host has used and nobody has finished yet
 * @nr_busy: requests that are not idle
 * @nr_in_flight: length of @in_flight
 * @pages_in_flight: guest pages on @in_flight and @answered
 * @stall_warned: the log has been told that the host does not answer
 */
struct balloon_queue {
	struct virtqueue *vq;
	spinlock_t lock;	/* ring, lists and counts */
	struct list_head idle;
	struct list_head in_flight;
	struct list_head answered;
	unsigned int nr_busy;
	unsigned int nr_in_flight;
	unsigned long pages_in_flight;
	bool stall_warned;
};

/**
 * struct balloon_size - the size state machine (size.c)
 * @work: the only place that inflates, follows the host's target and writes
 *	the config field actual
 * @config_changed: 1 if the device may have something new to say
 * @lock: guards what others than @work write: the hold-off
 * @state: what @work does at present
 * @target: the host's wish when last read, in guest pages
 * @target_changes: how often the wish has changed
 * @actual_written: what the host was told last, in 4 KiB pages
 * @actual_known: @actual_written holds a value of this life of the device
 * @retry_at: jiffies before which inflation is not tried again
 * @backoff: how long the last failed inflation waits, in jiffies; 0 after success
 * @inflating_task: the task that allocates pages for the balloon right now; only
 *	to be compared with
 * @hold: a hold-off is on
 * @hold_until: jiffies at which it ends
 * @hold_length: its length, in jiffies; grows when pressure comes back soon
 */
struct balloon_size {
	struct delayed_work work;
	atomic_t config_changed;
	spinlock_t lock;	/* hold, hold_until, hold_length */
	enum balloon_size_state state;
	u64 target;
	unsigned long target_changes;
	u32 actual_written;
	bool actual_known;
	unsigned long retry_at;
	unsigned long backoff;
	struct task_struct *inflating_task;
	bool hold;
	unsigned long hold_until;
	unsigned long hold_length;
};

/**
 * struct balloon_stats - the statistics queue (stats.c)
 * @vq: the virtqueue
 * @work: answers one request of the host
 * @table: the one buffer the device gets
 */
struct balloon_stats {
	struct virtqueue *vq;
	struct work_struct work;
	struct virtio_balloon_stat table[VIRTIO_BALLOON_S_NR];
};

/**
 * struct balloon_hints - free page hinting for live migration (hinting.c)
 * @vq: the virtqueue
 * @work: follows the host's command id, feeds blocks, gives them back
 * @lock: guards @blocks and @nr_blocks
 * @blocks: free blocks held until the host is done
 * @nr_blocks: length of @blocks
 * @feeding: between the start buffer of an id and the stop buffer
 * @stop_pending: the stop buffer is still to be sent
 * @start_out: the start buffer is on the ring
 * @stop_out: the stop buffer is on the ring
 * @config_changed: 1 if the host may have set a new id
 * @generation: of the config space when last read
 * @target: num_pages when last read
 * @received_id: the id when last read
 * @current_id: the id being fed, or fed last
 * @start_id: the start buffer
 * @stop_id: the stop buffer
 * @dry_at: jiffies of the last look for a full ring, to give up on a dead host
 */
struct balloon_hints {
	struct virtqueue *vq;
	struct delayed_work work;
	spinlock_t lock;	/* blocks, nr_blocks */
	struct list_head blocks;
	unsigned long nr_blocks;
	bool feeding;
	bool stop_pending;
	bool start_out;
	bool stop_out;
	atomic_t config_changed;
	u32 generation;
	u32 target;
	u32 received_id;
	u32 current_id;
	__virtio32 start_id;
	__virtio32 stop_id;
	unsigned long dry_at;
};

/**
 * struct balloon_reporting - free page reporting (reporting.c)
 * @vq: the virtqueue
 * @lock: guards the ring, also against balloon_take_down(), @sent and @stall_warned
 * @dev: what the engine calls
 * @registered: with the engine
 * @sent: jiffies when a report was put on the ring last
 * @stall_warned: the log has been told that the host does not answer
 */
struct balloon_reporting {
	struct virtqueue *vq;
	spinlock_t lock;	/* the ring, sent, stall_warned */
	struct page_reporting_dev_info dev;
	bool registered;
	unsigned long sent;
	bool stall_warned;
};

/**
 * struct balloon_oom - the OOM path (oom.c)
 * @nb: called before the OOM killer strikes
 * @lock: guards @step and @last
 * @step: guest pages given back by the last call
 * @last: jiffies of that call
 * @nr_released: guest pages given back since probe
 */
struct balloon_oom {
	struct notifier_block nb;
	spinlock_t lock;	/* step, last */
	unsigned long step;
	unsigned long last;
	atomic_long_t nr_released;
};

/* When the balloon gives pages back by itself. */
enum balloon_relief {
	BALLOON_RELIEF_NONE,
	/* Before the OOM killer would strike. */
	BALLOON_RELIEF_OOM,
	/* That, and whenever the guest comes under pressure. */
	BALLOON_RELIEF_PRESSURE,
};

/**
 * struct balloon_pressure - the pressure path (pressure.c)
 * @watch: events of the allocator
 * @watching: @watch is registered
 * @irq_work: takes an event to @work
 * @pending: 1 from an event until the sample it asks for
 * @stalls: direct reclaims since the last sample
 * @work: takes a sample and acts on it
 * @sampled_at: jiffies of the last sample
 * @low_after: jiffies before which passing the low watermark is no news
 * @psi_known: the three below are of a sample of this life of the device
 * @psi_spoilt: the balloon was inflating at some time in the window
 * @psi_at: jiffies at which the window began
 * @psi_some_us: PSI's totals at that time
 * @psi_full_us: PSI's totals at that time
 * @memory: the policy's
 * @nr_released: guest pages given back under pressure since probe
 */
struct balloon_pressure {
	struct balloon_pressure_watch watch;
	bool watching;
	struct irq_work irq_work;
	atomic_t pending;
	atomic_t stalls;
	struct delayed_work work;
	unsigned long sampled_at;
	unsigned long low_after;
	bool psi_known;
	bool psi_spoilt;
	unsigned long psi_at;
	u64 psi_some_us;
	u64 psi_full_us;
	struct balloon_pressure_memory memory;
	atomic_long_t nr_released;
};

/**
 * struct balloon_recover - after DEVICE_NEEDS_RESET (recover.c)
 * @work: resets the device and brings it up again
 * @delay: jiffies between the two, 0 as long as there was no reset
 * @up_at: jiffies when the device was last brought up again
 */
struct balloon_recover {
	struct delayed_work work;
	unsigned long delay;
	unsigned long up_at;
};

/* Why the system must not suspend now (wakeup.c). */
#define BALLOON_WAKE_SIZE_ASKED		BIT(0)
#define BALLOON_WAKE_SIZE_BUSY		BIT(1)
#define BALLOON_WAKE_STATS_ASKED	BIT(2)
#define BALLOON_WAKE_STATS_BUSY		BIT(3)

/**
 * struct virtio_balloon - one balloon device
 * @vdev: the device
 * @wq: all of the driver's work; freezable, and with a rescuer because giving
 *	pages back must work when memory is short
 * @life: enum balloon_life; read locklessly, decided under the queues' locks
 * @users: held for reading by those who wait for the host off @wq
 * @acked: woken by every answer and by the end of the device
 * @quiet_lock: guards @quiet; taken from interrupts
 * @quiet: no new work may be queued
 * @inflate: the inflate queue
 * @deflate: the deflate queue
 * @pages: the pages in the balloon, as page migration sees them
 * @nr_pages: guest pages that belong to the host, in flight or not
 * @nr_returned: guest pages given back to the guest since probe
 * @no_inflate: this guest must not give pages away
 * @size: the size state machine
 * @stats: statistics
 * @hints: free page hinting
 * @reporting: free page reporting
 * @oom: the OOM path
 * @pressure: the pressure path
 * @recover: recovery of the device
 * @wake_lock: guards @wake_mask
 * @wake_mask: BALLOON_WAKE_*; the wakeup source is active while it is not 0
 */
struct virtio_balloon {
	struct virtio_device *vdev;
	struct workqueue_struct *wq;
	enum balloon_life life;
	struct rw_semaphore users;
	wait_queue_head_t acked;
	spinlock_t quiet_lock;	/* quiet */
	bool quiet;

	struct balloon_queue inflate;
	struct balloon_queue deflate;
	struct balloon_dev_info pages;
	atomic_long_t nr_pages;
	atomic_long_t nr_returned;
	bool no_inflate;

	struct balloon_size size;
	struct balloon_stats stats;
	struct balloon_hints hints;
	struct balloon_reporting reporting;
	struct balloon_oom oom;
	struct balloon_pressure pressure;
	struct balloon_recover recover;

	spinlock_t wake_lock;	/* wake_mask */
	u32 wake_mask;
};

static inline bool balloon_has(const struct virtio_balloon *vb, unsigned int feature)
{
	return virtio_has_feature(vb->vdev, feature);
}

/*
 * Without DEFLATE_ON_OOM the balloon's pages are gone for good as far as the
 * guest is concerned, so MemTotal shrinks.  With it they may come back at any
 * time and count as used.
 */
static inline bool balloon_is_lent(const struct virtio_balloon *vb)
{
	return balloon_has(vb, VIRTIO_BALLOON_F_DEFLATE_ON_OOM);
}

/* main.c */
bool balloon_in_capture_kernel(void);
bool balloon_in_confidential_guest(void);
bool balloon_queue_work(struct virtio_balloon *vb, struct delayed_work *work,
			unsigned long delay);
void balloon_take_down(struct virtio_balloon *vb);

/* request.c */
int balloon_queue_init(struct balloon_queue *queue, unsigned int nr_requests);
void balloon_queue_exit(struct balloon_queue *queue);
void balloon_queue_flush_senders(struct balloon_queue *queue);
bool balloon_queue_poll(struct balloon_queue *queue);
void balloon_queue_recall(struct balloon_queue *queue);
bool balloon_queue_check(struct virtio_balloon *vb, struct balloon_queue *queue);
void balloon_queue_answer(struct virtqueue *vq);
struct balloon_request *balloon_request_get(struct balloon_queue *queue);
void balloon_request_put(struct balloon_queue *queue, struct balloon_request *req);
void balloon_request_add(struct virtio_balloon *vb, struct balloon_request *req,
			 struct page *page);
int balloon_request_send(struct virtio_balloon *vb, struct balloon_queue *queue,
			 struct balloon_request *req);
void balloon_request_strand(struct balloon_queue *queue, struct balloon_request *req);
int balloon_request_wait(struct virtio_balloon *vb, struct balloon_queue *queue,
			 struct balloon_request *req, unsigned long timeout);
struct balloon_request *balloon_request_answered(struct balloon_queue *queue);

/* pages.c */
unsigned long balloon_spare(struct virtio_balloon *vb);
unsigned long balloon_reserve(struct virtio_balloon *vb);
unsigned int balloon_inflate(struct virtio_balloon *vb, u64 want, bool *short_of_memory);
unsigned int balloon_deflate(struct virtio_balloon *vb, u64 want, bool at_once);
void balloon_finish(struct virtio_balloon *vb);
void balloon_finish_deflate(struct virtio_balloon *vb);
unsigned long balloon_relieve(struct virtio_balloon *vb, unsigned long want,
			      unsigned long timeout);
void balloon_release_all(struct virtio_balloon *vb);
void balloon_free_page(struct virtio_balloon *vb, struct page *page);

/* size.c */
void balloon_size_init(struct virtio_balloon *vb);
void balloon_size_reset(struct virtio_balloon *vb);
void balloon_size_kick(struct virtio_balloon *vb);
void balloon_size_hold(struct virtio_balloon *vb, enum balloon_reason reason);
void balloon_size_extend_hold(struct virtio_balloon *vb);
void balloon_size_actual(struct virtio_balloon *vb);

/* oom.c */
int balloon_oom_register(struct virtio_balloon *vb);
void balloon_oom_unregister(struct virtio_balloon *vb);

/* pressure.c */
enum balloon_relief balloon_relief_mode(struct virtio_balloon *vb);
void balloon_pressure_init(struct virtio_balloon *vb);
void balloon_pressure_start(struct virtio_balloon *vb);
void balloon_pressure_stop(struct virtio_balloon *vb);
void balloon_pressure_kick(struct virtio_balloon *vb);

/* recover.c */
void balloon_recover_init(struct virtio_balloon *vb);
bool balloon_recover_check(struct virtio_balloon *vb);
void balloon_recover_stop(struct virtio_balloon *vb);

/* stats.c */
void balloon_stats_init(struct virtio_balloon *vb);
int balloon_stats_prime(struct virtio_balloon *vb);
void balloon_stats_request(struct virtqueue *vq);

/* hinting.c */
void balloon_hints_init(struct virtio_balloon *vb);
void balloon_hints_reset(struct virtio_balloon *vb);
void balloon_hints_kick(struct virtio_balloon *vb);
unsigned long balloon_hints_release(struct virtio_balloon *vb, unsigned long nr_pages);

/* reporting.c */
void balloon_reporting_init(struct virtio_balloon *vb);
int balloon_reporting_register(struct virtio_balloon *vb);
void balloon_reporting_unregister(struct virtio_balloon *vb);
void balloon_reporting_flush(struct virtio_balloon *vb);
void balloon_reporting_check(struct virtio_balloon *vb);
void balloon_reporting_answer(struct virtqueue *vq);

/* migrate.c */
#ifdef CONFIG_BALLOON_COMPACTION
void balloon_migrate_init(struct virtio_balloon *vb);
#else
static inline void balloon_migrate_init(struct virtio_balloon *vb)
{
}
#endif

/* wakeup.c */
void balloon_wakeup_init(struct virtio_balloon *vb);
void balloon_wakeup_hold(struct virtio_balloon *vb, u32 reason);
void balloon_wakeup_turn(struct virtio_balloon *vb, u32 from, u32 to);
void balloon_wakeup_drop(struct virtio_balloon *vb, u32 reasons);

/* sysfs.c */
extern const struct attribute_group *balloon_sysfs_groups[];

#endif /* _DRIVERS_VIRTIO_BALLOON_H */

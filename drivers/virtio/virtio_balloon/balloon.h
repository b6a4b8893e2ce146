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
 * Three callers do wait, each with a limit: free page reporting (until the answer
 * or the device's reset), page migration and the OOM path (for a short
 * time).  They hold vb->users for reading and are driven out by
 * vb_take_down(), which itself waits while the host goes on answering.
 *
 * Layers, each of which uses only what stands before it:
 *   size_policy, pressure_policy; memory, events, wakeup; work; relief; recover;
 *   request; pool, cushion, hinting, reporting, stats; pages, migrate; release;
 *   pressure, oom; size; life; sysfs, main.
 *
 * Who owns a page.  From the moment its number is on the inflate queue until
 * the host has taken it back on the deflate queue and acknowledged that, or the
 * device has been reset, the page is the device's.  A device that hangs or
 * breaks keeps its pages until it is reset; they are never freed on a guess.
 *
 * Locks:
 *   vb->users > vb_queue.lock, or the lock of a pool, or vb_reporting.lock;
 *   vb->unit_lock > what allocating takes, below it the lock of memory hotplug;
 *   all others (relief, cushion, hints, oom, quiet_lock > wake_lock) are taken last
 *   and alone.
 */
#ifndef _DRIVERS_VIRTIO_BALLOON_H
#define _DRIVERS_VIRTIO_BALLOON_H

#include <linux/atomic.h>
#include <linux/balloon.h>
#include <linux/bits.h>
#include <linux/irq_work.h>
#include <linux/ktime.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/nodemask.h>
#include <linux/notifier.h>
#include <linux/page_reporting.h>
#include <linux/rwsem.h>
#include <linux/sizes.h>
#include <linux/spinlock.h>
#include <linux/virtio.h>
#include <linux/virtio_balloon.h>
#include <linux/virtio_config.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "pressure_policy.h"
#include "size_policy.h"

/* The device counts in 4 KiB pages whatever the guest's page size is. */
#define VB_PFNS_PER_PAGE	(1U << (PAGE_SHIFT - VIRTIO_BALLOON_PFN_SHIFT))

/*
 * Page frame numbers in one request.  The specification sets no limit, but
 * hosts exist that refuse longer buffers than this.
 */
#define VB_REQUEST_PFNS	256U
#define VB_REQUEST_PAGES	(VB_REQUEST_PFNS / VB_PFNS_PER_PAGE)

/* A unit is what hosts back guests with: a huge page. */
#define VB_UNIT_ORDER	min_t(unsigned int, pageblock_order, get_order(SZ_2M))
#define VB_UNIT_PAGES	BIT(VB_UNIT_ORDER)

/* Where the balloon's pages come from. */
#define VB_GFP		(IS_ENABLED(CONFIG_BALLOON_MIGRATION) ? GFP_HIGHUSER_MOVABLE : GFP_HIGHUSER)

/* A block of hinting: the largest there is, but not 512 MiB as with 64 KiB pages. */
#define VB_HINT_ORDER	min_t(unsigned int, MAX_PAGE_ORDER, get_order(SZ_4M))
#define VB_HINT_PAGES	BIT(VB_HINT_ORDER)

/* Some inflate requests overlap allocation with the wait for answers. */
#define VB_INFLATE_REQUESTS	4U
/* Of these, requests left to migration. */
#define VB_MIGRATE_REQUESTS	1U
/* What can be taken back at once without waiting: 128 MiB. */
#define VB_DEFLATE_REQUESTS	128U

/* After LATE the device may need a reset; after WARN the log says so. */
#define VB_STALL_LATE	(5 * HZ)
#define VB_STALL_WARN	(30 * HZ)

struct virtio_balloon;

/* What the device may be asked for at this moment. */
enum vb_life {
	/* Before DRIVER_OK, or after the reset: the device owns nothing. */
	VB_OFF,
	/* Running: requests may be sent. */
	VB_ON,
	/* About to be reset: no new request, what is out is still the device's. */
	VB_STOPPING,
};

/* Whether pages are parts of whole units.  Whole units go first in both directions. */
enum vb_kind {
	VB_WHOLE,
	VB_PIECES,
	VB_NR_KINDS,
};

/**
 * struct vb_pool - pages of one node and kind that are the host's (pool.c)
 * @info: the pages, as page migration sees them
 * @vb: the balloon
 * @nr_pages: how many, with those that migration has isolated
 */
struct vb_pool {
	struct balloon_dev_info info;
	struct virtio_balloon *vb;
	atomic_long_t nr_pages;
};

/**
 * struct vb_node - what the balloon has of one node
 * @pools: acknowledged pages, by kind
 * @nr_pages: guest pages that belong to the host, in flight or not
 */
struct vb_node {
	struct vb_pool pools[VB_NR_KINDS];
	atomic_long_t nr_pages;
};

/**
 * struct vb_stall - whether the host takes too long
 * @warned: the log has been told
 */
struct vb_stall {
	bool warned;
};

/**
 * struct vb_request - pages on their way to or from the host
 * @node: on the idle or the answered list of the queue, or on the list in flight
 * @pages: the pages, as far as the request still holds them
 * @migrated: a page that a migration left behind; its ->lru is not ours to use
 * @nr_pages: guest pages the request speaks of, whether still held or not
 * @sent: when it was put on the ring
 * @waited: a caller of vb_request_wait() will finish it
 * @answered: the host has used the buffer
 * @early: the guest uses its pages before the host has answered
 * @kind: of the pages
 * @pfns: what the device reads, VB_REQUEST_PFNS numbers
 */
struct vb_request {
	struct list_head node;
	struct list_head pages;
	struct page *migrated;
	unsigned int nr_pages;
	ktime_t sent;
	bool waited;
	bool answered;
	bool early;
	enum vb_kind kind;
	__virtio32 *pfns;
};

/**
 * struct vb_queue - the inflate or the deflate queue with its requests
 * @vq: the virtqueue; valid between vb_bring_up() and vb_take_down()
 * @lock: guards the ring and all below
 * @idle: requests nobody uses
 * @in_flight: requests on the ring, oldest first
 * @answered: requests the host has used and nobody has finished yet
 * @nr_requests: all there are
 * @nr_busy: requests that are not idle
 * @nr_in_flight: length of @in_flight
 * @nr_early: how many of them are early
 * @pages_in_flight: guest pages on @in_flight and @answered
 * @stall: whether the host takes too long
 */
struct vb_queue {
	struct virtqueue *vq;
	spinlock_t lock;	/* ring, lists and counts */
	struct list_head idle;
	struct list_head in_flight;
	struct list_head answered;
	unsigned int nr_requests;
	unsigned int nr_busy;
	unsigned int nr_in_flight;
	unsigned int nr_early;
	unsigned long pages_in_flight;
	struct vb_stall stall;
};

/**
 * struct vb_size - the size state machine (size.c)
 * @work: the only place that inflates, follows the host's target and writes
 *	the config field actual
 * @config_changed: 1 if the device may have something new to say
 * @state: what @work does at present
 * @target: the host's wish when last read, in guest pages
 * @actual_written: what the host was told last, in 4 KiB pages
 * @actual_known: @actual_written holds a value of this life of the device
 * @retry_at: jiffies before which inflation is not tried again
 * @backoff: how long the last failed inflation waits, in jiffies; 0 after success
 * @inflating_task: the task that allocates pages for the balloon right now; only
 *	to be compared with
 */
struct vb_size {
	struct delayed_work work;
	atomic_t config_changed;
	enum vb_size_state state;
	u64 target;
	u32 actual_written;
	bool actual_known;
	unsigned long retry_at;
	unsigned long backoff;
	struct task_struct *inflating_task;
};

/**
 * struct vb_relief - the hold-off after the guest took pages back (relief.c)
 * @lock: guards all below
 * @hold: a hold-off is on
 * @hold_until: jiffies at which it ends
 * @hold_limit: jiffies beyond which it is not extended
 * @hold_length: its length, in jiffies; grows when pressure comes back soon
 * @nr_taken: guest pages that came back since it began, or are to
 * @nr_wanted: guest pages that the last release was to bring
 * @calm: at the last look as many were spare again as either says
 * @calm_since: since when, in jiffies; valid if @calm
 */
struct vb_relief {
	spinlock_t lock;	/* all below */
	bool hold;
	unsigned long hold_until;
	unsigned long hold_limit;
	unsigned long hold_length;
	unsigned long nr_taken;
	unsigned long nr_wanted;
	bool calm;
	unsigned long calm_since;
};

/**
 * struct vb_cushion - allocated while cold memory is swapped out (cushion.c)
 * @lock: guards @pages and @nr_pages
 * @pages: the pages
 * @nr_pages: their number
 * @grown_at: when the last one was added, in jiffies; the size work's own
 */
struct vb_cushion {
	spinlock_t lock;	/* pages, nr_pages */
	struct list_head pages;
	unsigned long nr_pages;
	unsigned long grown_at;
};

/**
 * struct vb_stats - the statistics queue (stats.c)
 * @vq: the virtqueue
 * @work: answers one request of the host
 * @table: the one buffer the device gets
 */
struct vb_stats {
	struct virtqueue *vq;
	struct work_struct work;
	struct virtio_balloon_stat table[VIRTIO_BALLOON_S_NR];
};

/**
 * struct vb_hint - one hinted block, or what is left of it on the ring
 * @node: on vb_hints.on_ring or vb_hints.returned
 * @page: the block; NULL if it has been released
 */
struct vb_hint {
	struct list_head node;
	struct page *page;
};

/**
 * struct vb_hints - free page hinting for live migration (hinting.c)
 * @vq: the virtqueue
 * @work: follows the host's command id, feeds blocks, gives them back
 * @lock: guards @returned and @nr_blocks
 * @on_ring: buffers the host has not returned; touched by @work only
 * @returned: blocks that it has, held until it is done; oldest first
 * @nr_blocks: blocks held, on either list
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
struct vb_hints {
	struct virtqueue *vq;
	struct delayed_work work;
	spinlock_t lock;	/* returned, nr_blocks */
	struct list_head on_ring;
	struct list_head returned;
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
 * struct vb_reporting - free page reporting (reporting.c)
 * @vq: the virtqueue
 * @lock: guards the ring, also against vb_take_down(), @sent and @stall
 * @dev: what the engine calls
 * @registered: with the engine
 * @sent: jiffies when a report was put on the ring last
 * @answered_ns: when the host answered last, on the monotonic clock
 * @stall: how patient we are
 */
struct vb_reporting {
	struct virtqueue *vq;
	spinlock_t lock;	/* the ring, sent, stall */
	struct page_reporting_dev_info dev;
	bool registered;
	unsigned long sent;
	u64 answered_ns;
	struct vb_stall stall;
};

/**
 * struct vb_oom - the OOM path (oom.c)
 * @nb: called before the OOM killer strikes
 * @lock: guards @step and @last
 * @step: guest pages given back by the last call
 * @last: jiffies of that call
 * @nr_released: guest pages given back since probe
 */
struct vb_oom {
	struct notifier_block nb;
	spinlock_t lock;	/* step, last */
	unsigned long step;
	unsigned long last;
	atomic_long_t nr_released;
};

/* When the balloon gives pages back by itself. */
enum vb_relief_mode {
	VB_RELIEF_NONE,
	/* Before the OOM killer would strike. */
	VB_RELIEF_OOM,
	/* That, and whenever the guest comes under pressure. */
	VB_RELIEF_PRESSURE,
};

#define VB_NR_EVENTS	2

/**
 * struct vb_watch - who is told of allocations that run into watermarks (events.c)
 * @notify: called in the context of the allocation: any context, with any locks
 *	held.  It may count, look at current and queue irq_work, no more.  @nid is the
 *	node whose free memory fell below the low watermark; NUMA_NO_NODE: a task has
 *	to reclaim memory itself.
 * @active: there will be events
 * @events: where they come from
 */
struct vb_watch {
	void (*notify)(struct vb_watch *watch, int nid);
	bool active;
	struct tracepoint *events[VB_NR_EVENTS];
};

/**
 * struct vb_pressure - the pressure path (pressure.c)
 * @watch: events of the allocator
 * @irq_work: takes an event to @work
 * @pending: 1 from an event until the sample it asks for
 * @stalls: direct reclaims since the last sample
 * @low_nodes: nodes that fell below the low watermark since the last sample
 * @work: takes a sample and acts on it
 * @sampled_at: jiffies of the last sample
 * @low_after: jiffies before which the low watermark is not looked at again
 * @memory: the policy's
 * @nr_released: guest pages given back under pressure since probe
 */
struct vb_pressure {
	struct vb_watch watch;
	struct irq_work irq_work;
	atomic_t pending;
	atomic_t stalls;
	nodemask_t low_nodes;
	struct delayed_work work;
	unsigned long sampled_at;
	unsigned long low_after;
	struct vb_pressure_memory memory;
	atomic_long_t nr_released;
};

/**
 * struct vb_recover - after DEVICE_NEEDS_RESET (recover.c)
 * @work: resets the device and brings it up again
 * @delay: jiffies between the two, 0 as long as there was no reset
 * @up_at: jiffies when the device was last brought up again
 */
struct vb_recover {
	struct delayed_work work;
	unsigned long delay;
	unsigned long up_at;
};

/* Why the system must not suspend now (wakeup.c). */
#define VB_WAKE_SIZE_ASKED		BIT(0)
#define VB_WAKE_SIZE_BUSY		BIT(1)
#define VB_WAKE_STATS_ASKED	BIT(2)
#define VB_WAKE_STATS_BUSY		BIT(3)

/**
 * struct virtio_balloon - one balloon device
 * @vdev: the device
 * @wq: all of the driver's work; freezable, and with a rescuer because giving
 *	pages back must work when memory is short
 * @life: enum vb_life; read locklessly, decided under the queues' locks
 * @users: held for reading by those who wait for the host off @wq
 * @acked: woken by every answer and by the end of the device
 * @quiet_lock: guards @quiet; taken from interrupts
 * @quiet: no new work may be queued
 * @inflate: the inflate queue
 * @deflate: the deflate queue
 * @nodes: pages in the balloon, by node
 * @unit: pages of a whole unit that is about to be sent
 * @unit_skip: requests until the next attempt to make one
 * @unit_backoff: the last value of @unit_skip
 * @unit_lock: held while one is made
 * @unit_offline: memory goes offline, so none is made
 * @unit_hold: none is made before that time, in 64-bit jiffies
 * @unit_nb: called when memory goes offline
 * @nr_pages: guest pages that belong to the host, in flight or not
 * @nr_returned: guest pages given back to the guest since probe
 * @no_inflate: this guest must not give pages to the host
 * @reclaimable: pages come back when the guest needs them, and count as reclaimable
 * @size: the size state machine
 * @relief: whether and since when the guest has its pages back
 * @cushion: what makes memory spare where there is swap
 * @stats: statistics
 * @hints: free page hinting
 * @reporting: free page reporting
 * @oom: the OOM path
 * @pressure: the pressure path
 * @recover: recovery of the device
 * @reboot: called before the system goes down
 * @wake_lock: guards @wake_mask
 * @wake_mask: VB_WAKE_*; the wakeup source is active while it is not 0
 */
struct virtio_balloon {
	struct virtio_device *vdev;
	struct workqueue_struct *wq;
	enum vb_life life;
	struct rw_semaphore users;
	wait_queue_head_t acked;
	spinlock_t quiet_lock;	/* quiet */
	bool quiet;

	struct vb_queue inflate;
	struct vb_queue deflate;
	struct vb_node *nodes;
	struct list_head unit;
	unsigned int unit_skip;
	unsigned int unit_backoff;
	struct mutex unit_lock;	/* making one */
	bool unit_offline;
	u64 unit_hold;
	struct notifier_block unit_nb;
	atomic_long_t nr_pages;
	atomic_long_t nr_returned;
	bool no_inflate;
	bool reclaimable;

	struct vb_size size;
	struct vb_relief relief;
	struct vb_cushion cushion;
	struct vb_stats stats;
	struct vb_hints hints;
	struct vb_reporting reporting;
	struct vb_oom oom;
	struct vb_pressure pressure;
	struct vb_recover recover;
	struct notifier_block reboot;

	spinlock_t wake_lock;	/* wake_mask */
	u32 wake_mask;
};

/* A list of pages that are nobody else's. */
static inline void vb_page_push(struct list_head *pages, struct page *page)
{
	list_add(&page->lru, pages);
}

static inline struct page *vb_page_pop(struct list_head *pages)
{
	struct page *page = list_first_entry_or_null(pages, struct page, lru);

	if (page)
		list_del(&page->lru);
	return page;
}

static inline bool vb_has(const struct virtio_balloon *vb, unsigned int feature)
{
	return virtio_has_feature(vb->vdev, feature);
}

/*
 * Without DEFLATE_ON_OOM the balloon's pages are gone for good as far as the
 * guest is concerned, so MemTotal shrinks.  With it they may come back at any
 * time and count as used.
 */
static inline bool vb_may_deflate_on_oom(const struct virtio_balloon *vb)
{
	return vb_has(vb, VIRTIO_BALLOON_F_DEFLATE_ON_OOM);
}

/* memory.c */
unsigned long vb_node_spare(int nid);
unsigned long vb_spare(void);
unsigned long vb_swap_spare(void);
unsigned long vb_available(struct virtio_balloon *vb);
unsigned long vb_reserve(struct virtio_balloon *vb);
unsigned long vb_ram(struct virtio_balloon *vb);
long vb_free_above_high(gfp_t gfp);

/* events.c */
void vb_watch_start(struct vb_watch *watch);
void vb_watch_stop(struct vb_watch *watch);

/* wakeup.c */
void vb_wakeup_init(struct virtio_balloon *vb);
void vb_wakeup_hold(struct virtio_balloon *vb, u32 reason);
void vb_wakeup_turn(struct virtio_balloon *vb, u32 from, u32 to);
void vb_wakeup_drop(struct virtio_balloon *vb, u32 reasons);

/* work.c */
bool vb_queue_work(struct virtio_balloon *vb, struct delayed_work *work,
		   unsigned long delay);
void vb_set_quiet(struct virtio_balloon *vb, bool quiet);
void vb_size_kick(struct virtio_balloon *vb);
void vb_hints_kick(struct virtio_balloon *vb);
bool vb_stall_check(struct vb_stall *stall, unsigned long age, bool broken, bool *warn);
void vb_stall_warn(struct virtio_balloon *vb, const char *name, bool broken);

/* relief.c */
enum vb_relief_mode vb_relief_mode(struct virtio_balloon *vb);
void vb_hold(struct virtio_balloon *vb, enum vb_reason reason, unsigned long want);
void vb_hold_got(struct virtio_balloon *vb, unsigned long want, unsigned long got);
void vb_extend_hold(struct virtio_balloon *vb);
bool vb_holding(struct virtio_balloon *vb, unsigned long spare, unsigned long *look_at);
void vb_end_hold(struct virtio_balloon *vb);

/* recover.c */
bool vb_needs_reset(struct virtio_balloon *vb);
bool vb_recover_check(struct virtio_balloon *vb);
void vb_recover_allow(struct virtio_balloon *vb);
void vb_recover_stop(struct virtio_balloon *vb);

/* request.c */
void vb_queue_init(struct vb_queue *queue);
int vb_queue_fill(struct vb_queue *queue, unsigned int nr_requests);
void vb_queue_exit(struct vb_queue *queue);
bool vb_queue_poll(struct virtio_balloon *vb, struct vb_queue *queue);
void vb_queue_recall(struct vb_queue *queue);
bool vb_queue_check(struct virtio_balloon *vb, struct vb_queue *queue);
void vb_queue_answer(struct virtqueue *vq);
struct vb_request *vb_request_get(struct vb_queue *queue, unsigned int keep);
void vb_request_put(struct vb_queue *queue, struct vb_request *req);
void vb_request_add(struct virtio_balloon *vb, struct vb_request *req, struct page *page);
int vb_request_send(struct virtio_balloon *vb, struct vb_queue *queue,
		    struct vb_request *req);
void vb_request_strand(struct vb_queue *queue, struct vb_request *req);
int vb_request_wait(struct virtio_balloon *vb, struct vb_queue *queue,
		    struct vb_request *req, unsigned long timeout);
struct vb_request *vb_request_answered(struct vb_queue *queue);

/* pool.c */
int vb_pools_init(struct virtio_balloon *vb);
void vb_pools_exit(struct virtio_balloon *vb);
bool vb_pools_empty(struct virtio_balloon *vb);
void vb_pool_add(struct virtio_balloon *vb, struct list_head *pages, enum vb_kind kind);
size_t vb_pool_take(struct virtio_balloon *vb, struct list_head *pages, size_t nr, int nid);
void vb_count_given(struct virtio_balloon *vb, struct page *page);
void vb_count_moved(struct virtio_balloon *vb, struct page *from, struct page *to);
void vb_free_page(struct virtio_balloon *vb, struct page *page);

/* cushion.c */
void vb_cushion_init(struct virtio_balloon *vb);
bool vb_cushion_grow(struct virtio_balloon *vb);
unsigned long vb_cushion_reserve(struct virtio_balloon *vb);
bool vb_cushion_waits(struct virtio_balloon *vb);
struct page *vb_cushion_take(struct virtio_balloon *vb);
unsigned long vb_cushion_drop(struct virtio_balloon *vb);
unsigned long vb_cushion_pages(struct virtio_balloon *vb);

/* hinting.c */
void vb_hints_init(struct virtio_balloon *vb);
void vb_hints_reset(struct virtio_balloon *vb);
unsigned long vb_hints_release(struct virtio_balloon *vb, unsigned long nr_pages);

/* reporting.c */
void vb_reporting_init(struct virtio_balloon *vb);
int vb_reporting_register(struct virtio_balloon *vb);
void vb_reporting_unregister(struct virtio_balloon *vb);
void vb_reporting_check(struct virtio_balloon *vb);
void vb_reporting_answer(struct virtqueue *vq);

/* stats.c */
void vb_stats_init(struct virtio_balloon *vb);
int vb_stats_prime(struct virtio_balloon *vb);
void vb_stats_look(struct virtio_balloon *vb);
void vb_stats_request(struct virtqueue *vq);

/* pages.c */
void vb_unit_init(struct virtio_balloon *vb);
int vb_unit_register(struct virtio_balloon *vb);
void vb_unit_unregister(struct virtio_balloon *vb);
bool vb_may_give(const struct virtio_balloon *vb);
unsigned int vb_inflate(struct virtio_balloon *vb, u64 want, bool *short_of_memory);
unsigned long vb_deflate(struct virtio_balloon *vb, u64 want, int nid, bool at_once);
void vb_drop_unit(struct virtio_balloon *vb);
void vb_finish(struct virtio_balloon *vb);
void vb_finish_deflate(struct virtio_balloon *vb);
unsigned long vb_relieve(struct virtio_balloon *vb, unsigned long want, int nid,
			 unsigned long timeout);
void vb_announce_all(struct virtio_balloon *vb, struct list_head *parked);
void vb_release_all(struct virtio_balloon *vb, struct list_head *parked);

/* migrate.c */
#ifdef CONFIG_BALLOON_MIGRATION
void vb_migrate_init(struct virtio_balloon *vb);
#else
static inline void vb_migrate_init(struct virtio_balloon *vb)
{
}
#endif

/* release.c */
unsigned long vb_release(struct virtio_balloon *vb, enum vb_reason reason,
			 unsigned long want, int nid, unsigned long timeout);

/* pressure.c */
void vb_pressure_init(struct virtio_balloon *vb);
void vb_pressure_start(struct virtio_balloon *vb);
void vb_pressure_stop(struct virtio_balloon *vb);
void vb_pressure_kick(struct virtio_balloon *vb);

/* oom.c */
int vb_oom_register(struct virtio_balloon *vb);
void vb_oom_unregister(struct virtio_balloon *vb);

/* size.c */
void vb_size_init(struct virtio_balloon *vb);
void vb_size_reset(struct virtio_balloon *vb);

/* life.c */
void vb_life_init(struct virtio_balloon *vb);
int vb_bring_up(struct virtio_balloon *vb);
void vb_take_down(struct virtio_balloon *vb);

/* sysfs.c */
extern const struct attribute_group *vb_sysfs_groups[];

/* main.c, for KUnit to stub */
bool vb_in_capture_kernel(void);
bool vb_in_confidential_guest(void);

#endif /* _DRIVERS_VIRTIO_BALLOON_H */

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Tracepoints of the virtio balloon.  Sizes are in guest pages, dev is the N of
 * virtioN.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM virtio_balloon

#if !defined(_TRACE_VIRTIO_BALLOON_H) || defined(TRACE_HEADER_MULTI_READ)
#define _TRACE_VIRTIO_BALLOON_H

#include <linux/tracepoint.h>
#include <linux/virtio.h>

/* The values are those of enum vb_size_state and enum vb_reason. */
#define show_balloon_state(state)		\
	__print_symbolic(state,			\
		{ 0, "idle" },			\
		{ 1, "inflating" },		\
		{ 2, "deflating" },		\
		{ 3, "holdoff" })

#define show_balloon_reason(reason)		\
	__print_symbolic(reason,		\
		{ 0, "target" },		\
		{ 1, "oom" },			\
		{ 2, "pressure" })

TRACE_EVENT(virtio_balloon_size,

	TP_PROTO(const struct virtio_device *vdev, int reason, long change,
		 unsigned long held, u64 target),

	TP_ARGS(vdev, reason, change, held, target),

	TP_STRUCT__entry(
		__field(unsigned int, dev)
		__field(int, reason)
		__field(long, change)
		__field(unsigned long, held)
		__field(u64, target)
	),

	TP_fast_assign(
		__entry->dev = vdev->index;
		__entry->reason = reason;
		__entry->change = change;
		__entry->held = held;
		__entry->target = target;
	),

	TP_printk("dev=%u reason=%s change=%ld held=%lu target=%llu", __entry->dev,
		  show_balloon_reason(__entry->reason), __entry->change,
		  __entry->held, __entry->target)
);

TRACE_EVENT(virtio_balloon_state,

	TP_PROTO(const struct virtio_device *vdev, int from, int to, unsigned long held,
		 u64 target),

	TP_ARGS(vdev, from, to, held, target),

	TP_STRUCT__entry(
		__field(unsigned int, dev)
		__field(int, from)
		__field(int, to)
		__field(unsigned long, held)
		__field(u64, target)
	),

	TP_fast_assign(
		__entry->dev = vdev->index;
		__entry->from = from;
		__entry->to = to;
		__entry->held = held;
		__entry->target = target;
	),

	TP_printk("dev=%u from=%s to=%s held=%lu target=%llu", __entry->dev,
		  show_balloon_state(__entry->from), show_balloon_state(__entry->to),
		  __entry->held, __entry->target)
);

TRACE_EVENT(virtio_balloon_actual,

	TP_PROTO(const struct virtio_device *vdev, unsigned long actual, u64 target),

	TP_ARGS(vdev, actual, target),

	TP_STRUCT__entry(
		__field(unsigned int, dev)
		__field(unsigned long, actual)
		__field(u64, target)
	),

	TP_fast_assign(
		__entry->dev = vdev->index;
		__entry->actual = actual;
		__entry->target = target;
	),

	TP_printk("dev=%u actual=%lu target=%llu", __entry->dev, __entry->actual,
		  __entry->target)
);

TRACE_EVENT(virtio_balloon_request,

	TP_PROTO(const struct virtio_device *vdev, bool deflate, unsigned int nr_pages,
		 s64 latency_us),

	TP_ARGS(vdev, deflate, nr_pages, latency_us),

	TP_STRUCT__entry(
		__field(unsigned int, dev)
		__field(bool, deflate)
		__field(unsigned int, nr_pages)
		__field(s64, latency_us)
	),

	TP_fast_assign(
		__entry->dev = vdev->index;
		__entry->deflate = deflate;
		__entry->nr_pages = nr_pages;
		__entry->latency_us = latency_us;
	),

	TP_printk("dev=%u queue=%s nr_pages=%u latency_us=%lld", __entry->dev,
		  __entry->deflate ? "deflate" : "inflate", __entry->nr_pages,
		  __entry->latency_us)
);

TRACE_EVENT(virtio_balloon_report,

	TP_PROTO(const struct virtio_device *vdev, unsigned int nr_elems, s64 latency_us,
		 int err),

	TP_ARGS(vdev, nr_elems, latency_us, err),

	TP_STRUCT__entry(
		__field(unsigned int, dev)
		__field(unsigned int, nr_elems)
		__field(s64, latency_us)
		__field(int, err)
	),

	TP_fast_assign(
		__entry->dev = vdev->index;
		__entry->nr_elems = nr_elems;
		__entry->latency_us = latency_us;
		__entry->err = err;
	),

	TP_printk("dev=%u nr_elems=%u latency_us=%lld err=%d", __entry->dev,
		  __entry->nr_elems, __entry->latency_us, __entry->err)
);

TRACE_EVENT(virtio_balloon_puff,

	TP_PROTO(const struct virtio_device *vdev, u64 missing, unsigned int backoff_ms),

	TP_ARGS(vdev, missing, backoff_ms),

	TP_STRUCT__entry(
		__field(unsigned int, dev)
		__field(u64, missing)
		__field(unsigned int, backoff_ms)
	),

	TP_fast_assign(
		__entry->dev = vdev->index;
		__entry->missing = missing;
		__entry->backoff_ms = backoff_ms;
	),

	TP_printk("dev=%u missing=%llu backoff_ms=%u", __entry->dev, __entry->missing,
		  __entry->backoff_ms)
);

TRACE_EVENT(virtio_balloon_hold,

	TP_PROTO(const struct virtio_device *vdev, int reason, unsigned int length_ms),

	TP_ARGS(vdev, reason, length_ms),

	TP_STRUCT__entry(
		__field(unsigned int, dev)
		__field(int, reason)
		__field(unsigned int, length_ms)
	),

	TP_fast_assign(
		__entry->dev = vdev->index;
		__entry->reason = reason;
		__entry->length_ms = length_ms;
	),

	TP_printk("dev=%u reason=%s length_ms=%u", __entry->dev,
		  show_balloon_reason(__entry->reason), __entry->length_ms)
);

TRACE_EVENT(virtio_balloon_relief,

	TP_PROTO(const struct virtio_device *vdev, int reason, unsigned long wanted,
		 unsigned long got, unsigned long held),

	TP_ARGS(vdev, reason, wanted, got, held),

	TP_STRUCT__entry(
		__field(unsigned int, dev)
		__field(int, reason)
		__field(unsigned long, wanted)
		__field(unsigned long, got)
		__field(unsigned long, held)
	),

	TP_fast_assign(
		__entry->dev = vdev->index;
		__entry->reason = reason;
		__entry->wanted = wanted;
		__entry->got = got;
		__entry->held = held;
	),

	TP_printk("dev=%u reason=%s wanted=%lu got=%lu held=%lu", __entry->dev,
		  show_balloon_reason(__entry->reason), __entry->wanted, __entry->got,
		  __entry->held)
);

TRACE_EVENT(virtio_balloon_pressure,

	TP_PROTO(const struct virtio_device *vdev, unsigned long spare,
		 unsigned long reserve, unsigned int stalls, unsigned long wanted),

	TP_ARGS(vdev, spare, reserve, stalls, wanted),

	TP_STRUCT__entry(
		__field(unsigned int, dev)
		__field(unsigned long, spare)
		__field(unsigned long, reserve)
		__field(unsigned int, stalls)
		__field(unsigned long, wanted)
	),

	TP_fast_assign(
		__entry->dev = vdev->index;
		__entry->spare = spare;
		__entry->reserve = reserve;
		__entry->stalls = stalls;
		__entry->wanted = wanted;
	),

	TP_printk("dev=%u spare=%lu reserve=%lu stalls=%u wanted=%lu", __entry->dev,
		  __entry->spare, __entry->reserve, __entry->stalls, __entry->wanted)
);

TRACE_EVENT(virtio_balloon_hint,

	TP_PROTO(const struct virtio_device *vdev, u32 id, unsigned long held),

	TP_ARGS(vdev, id, held),

	TP_STRUCT__entry(
		__field(unsigned int, dev)
		__field(u32, id)
		__field(unsigned long, held)
	),

	TP_fast_assign(
		__entry->dev = vdev->index;
		__entry->id = id;
		__entry->held = held;
	),

	TP_printk("dev=%u id=%u held=%lu", __entry->dev, __entry->id, __entry->held)
);

#endif /* _TRACE_VIRTIO_BALLOON_H */

#include <trace/define_trace.h>

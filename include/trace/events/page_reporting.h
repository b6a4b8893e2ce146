/* SPDX-License-Identifier: GPL-2.0 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM page_reporting

#if !defined(_TRACE_PAGE_REPORTING_H) || defined(TRACE_HEADER_MULTI_READ)
#define _TRACE_PAGE_REPORTING_H

#include <linux/jiffies.h>
#include <linux/tracepoint.h>

/* A pass begins: what waits, in pages, hot or cold. */
TRACE_EVENT(page_reporting_pass_start,
	TP_PROTO(unsigned long dirty),
	TP_ARGS(dirty),
	TP_STRUCT__entry(
		__field(unsigned long, dirty)
	),
	TP_fast_assign(
		__entry->dirty = dirty;
	),
	TP_printk("dirty_pages=%lu", __entry->dirty)
);

/* A pass is over: what the host took, what waits, and how long it is to be free. */
TRACE_EVENT(page_reporting_pass_end,
	TP_PROTO(unsigned long nr_pages, unsigned long dirty, unsigned long delay,
		 int err),
	TP_ARGS(nr_pages, dirty, delay, err),
	TP_STRUCT__entry(
		__field(unsigned long, nr_pages)
		__field(unsigned long, dirty)
		__field(unsigned int, delay_ms)
		__field(int, err)
	),
	TP_fast_assign(
		__entry->nr_pages = nr_pages;
		__entry->dirty = dirty;
		__entry->delay_ms = jiffies_to_msecs(delay);
		__entry->err = err;
	),
	TP_printk("nr_pages=%lu dirty_pages=%lu delay_ms=%u err=%d",
		  __entry->nr_pages, __entry->dirty, __entry->delay_ms, __entry->err)
);

/*
 * One element of a request: a range of free memory on its way to the host.  The
 * ages are those of the granule in it that was freed last and of the one that was
 * freed first; what lay on per-CPU lists counts as freed when it left them.
 */
TRACE_EVENT(page_reporting_element,
	TP_PROTO(unsigned long pfn, unsigned long nr_pages, unsigned long youngest,
		 unsigned long oldest),
	TP_ARGS(pfn, nr_pages, youngest, oldest),
	TP_STRUCT__entry(
		__field(unsigned long, pfn)
		__field(unsigned long, nr_pages)
		__field(unsigned int, youngest_ms)
		__field(unsigned int, oldest_ms)
	),
	TP_fast_assign(
		__entry->pfn = pfn;
		__entry->nr_pages = nr_pages;
		__entry->youngest_ms = jiffies_to_msecs(youngest);
		__entry->oldest_ms = jiffies_to_msecs(oldest);
	),
	TP_printk("pfn=0x%lx nr_pages=%lu youngest_ms=%u oldest_ms=%u", __entry->pfn,
		  __entry->nr_pages, __entry->youngest_ms, __entry->oldest_ms)
);

TRACE_EVENT(page_reporting_request,
	TP_PROTO(unsigned int nr_elements, unsigned long nr_pages),
	TP_ARGS(nr_elements, nr_pages),
	TP_STRUCT__entry(
		__field(unsigned int, nr_elements)
		__field(unsigned long, nr_pages)
	),
	TP_fast_assign(
		__entry->nr_elements = nr_elements;
		__entry->nr_pages = nr_pages;
	),
	TP_printk("nr_elements=%u nr_pages=%lu", __entry->nr_elements,
		  __entry->nr_pages)
);

TRACE_EVENT(page_reporting_done,
	TP_PROTO(unsigned int nr_elements, unsigned long nr_pages, s64 latency_us,
		 int err),
	TP_ARGS(nr_elements, nr_pages, latency_us, err),
	TP_STRUCT__entry(
		__field(unsigned int, nr_elements)
		__field(unsigned long, nr_pages)
		__field(s64, latency_us)
		__field(int, err)
	),
	TP_fast_assign(
		__entry->nr_elements = nr_elements;
		__entry->nr_pages = nr_pages;
		__entry->latency_us = latency_us;
		__entry->err = err;
	),
	TP_printk("nr_elements=%u nr_pages=%lu latency_us=%lld err=%d",
		  __entry->nr_elements, __entry->nr_pages, __entry->latency_us,
		  __entry->err)
);

/* The allocator takes from a granule that the host has: it will be backed again. */
TRACE_EVENT(page_reporting_reuse,
	TP_PROTO(unsigned long pfn, unsigned int order, unsigned long age, bool soon),
	TP_ARGS(pfn, order, age, soon),
	TP_STRUCT__entry(
		__field(unsigned long, pfn)
		__field(unsigned int, order)
		__field(unsigned int, age_ms)
		__field(bool, soon)
	),
	TP_fast_assign(
		__entry->pfn = pfn;
		__entry->order = order;
		__entry->age_ms = jiffies_to_msecs(age);
		__entry->soon = soon;
	),
	TP_printk("pfn=0x%lx order=%u age_ms=%u soon=%d", __entry->pfn,
		  __entry->order, __entry->age_ms, __entry->soon)
);

#define PAGE_REPORTING_LEFT_REASONS			\
	EM(FPR_LEFT_NOTHING,	"nothing")		\
	EM(FPR_LEFT_UNMOVABLE,	"unmovable")		\
	EM(FPR_LEFT_METADATA,	"metadata")		\
	EM(FPR_LEFT_PINNED,	"pinned")		\
	EM(FPR_LEFT_LOCKED,	"locked")		\
	EM(FPR_LEFT_NO_TARGET,	"no_target")		\
	EMe(FPR_LEFT_RACED,	"raced")

#undef EM
#undef EMe
#define EM(a, b)	TRACE_DEFINE_ENUM(a);
#define EMe(a, b)	TRACE_DEFINE_ENUM(a);
PAGE_REPORTING_LEFT_REASONS
#undef EM
#undef EMe
#define EM(a, b)	{ a, b },
#define EMe(a, b)	{ a, b }

/* A unit was to be emptied: what moved, and what is left in it if it is not whole. */
TRACE_EVENT(page_reporting_evacuate,
	TP_PROTO(unsigned long pfn, unsigned int moved, int left),
	TP_ARGS(pfn, moved, left),
	TP_STRUCT__entry(
		__field(unsigned long, pfn)
		__field(unsigned int, moved)
		__field(int, left)
	),
	TP_fast_assign(
		__entry->pfn = pfn;
		__entry->moved = moved;
		__entry->left = left;
	),
	TP_printk("pfn=0x%lx moved=%u left=%s", __entry->pfn, __entry->moved,
		  __print_symbolic(__entry->left, PAGE_REPORTING_LEFT_REASONS))
);

TRACE_EVENT(page_reporting_flush,
	TP_PROTO(unsigned long generation, s64 duration_us, int err),
	TP_ARGS(generation, duration_us, err),
	TP_STRUCT__entry(
		__field(unsigned long, generation)
		__field(s64, duration_us)
		__field(int, err)
	),
	TP_fast_assign(
		__entry->generation = generation;
		__entry->duration_us = duration_us;
		__entry->err = err;
	),
	TP_printk("generation=%lu duration_us=%lld err=%d", __entry->generation,
		  __entry->duration_us, __entry->err)
);

#define PAGE_REPORTING_SKIP_REASONS				\
	EM(PAGE_REPORTING_SKIP_IN_USE,		"in_use")	\
	EM(PAGE_REPORTING_SKIP_ISOLATED,	"isolated")	\
	EM(PAGE_REPORTING_SKIP_RESERVED,	"reserved")	\
	EM(PAGE_REPORTING_SKIP_POISONED,	"poisoned")	\
	EMe(PAGE_REPORTING_SKIP_TIGHT,		"tight")

#ifndef _TRACE_PAGE_REPORTING_ENUM
#define _TRACE_PAGE_REPORTING_ENUM
#undef EM
#undef EMe
#define EM(a, b)	a,
#define EMe(a, b)	a
enum page_reporting_skip { PAGE_REPORTING_SKIP_REASONS };
#undef EM
#undef EMe
#endif

#undef EM
#undef EMe
#define EM(a, b)	TRACE_DEFINE_ENUM(a);
#define EMe(a, b)	TRACE_DEFINE_ENUM(a);
PAGE_REPORTING_SKIP_REASONS
#undef EM
#undef EMe
#define EM(a, b)	{ a, b },
#define EMe(a, b)	{ a, b }

/* A granule that was due is not reported. */
TRACE_EVENT(page_reporting_skip,
	TP_PROTO(unsigned long pfn, enum page_reporting_skip reason),
	TP_ARGS(pfn, reason),
	TP_STRUCT__entry(
		__field(unsigned long, pfn)
		__field(int, reason)
	),
	TP_fast_assign(
		__entry->pfn = pfn;
		__entry->reason = reason;
	),
	TP_printk("pfn=0x%lx reason=%s", __entry->pfn,
		  __print_symbolic(__entry->reason, PAGE_REPORTING_SKIP_REASONS))
);

#endif /* _TRACE_PAGE_REPORTING_H */

/* This part must be outside protection */
#include <trace/define_trace.h>

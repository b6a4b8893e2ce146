/* SPDX-License-Identifier: GPL-2.0 */
/*
 * As much of the kernel as its pure files use, for a program on the host.
 *
 * Included by force before everything else; the <linux/...> headers that the
 * sources name are empty files then.  64-bit, with pages and pageblocks of x86.
 */
#ifndef TESTS_PURE_KERNEL_H
#define TESTS_PURE_KERNEL_H

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef unsigned long long u64;
typedef int32_t s32;
typedef long long s64;
typedef unsigned int gfp_t;

#define U16_MAX		UINT16_MAX
#define U32_MAX		UINT32_MAX
#define U64_MAX		(~0ULL)
#define BITS_PER_LONG	64
#define GFP_KERNEL	0u

#define PAGE_SHIFT	12
#define PAGE_SIZE	(1UL << PAGE_SHIFT)
#define MAX_PAGE_ORDER	10
#define NR_PAGE_ORDERS	(MAX_PAGE_ORDER + 1)
#define SZ_1M    	0x00100000
#define SZ_8M    	0x00800000
#define SZ_16M   	0x01000000
#define SZ_64M   	0x04000000
#define SZ_512M  	0x20000000
#define SZ_1G    	0x40000000
#define SZ_2G    	0x80000000

/* HZ is the compiler's -D. */
#define MSEC_PER_SEC	1000L
#define NSEC_PER_USEC	1000L
#define NSEC_PER_MSEC	1000000L
#define USEC_PER_SEC	1000000L
#define time_after(a, b)	((long)((b) - (a)) < 0)
#define time_before(a, b)	time_after(b, a)

static inline unsigned long msecs_to_jiffies(unsigned int ms)
{
	return ((unsigned long)ms * HZ + MSEC_PER_SEC - 1) / MSEC_PER_SEC;
}

/* Like the kernel's, no arithmetic is done in a type that one side does not fit. */
#define min(a, b)	({ __auto_type _a = (a); __auto_type _b = (b); _a < _b ? _a : _b; })
#define max(a, b)	({ __auto_type _a = (a); __auto_type _b = (b); _a > _b ? _a : _b; })
#define min_t(type, a, b)	min((type)(a), (type)(b))
#define max_t(type, a, b)	max((type)(a), (type)(b))
#define clamp(v, lo, hi)	min(max(v, lo), hi)
#define clamp_t(type, v, lo, hi) min_t(type, max_t(type, v, lo), hi)
#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))
#define BIT(n)		(1UL << (n))
#define DIV_ROUND_UP(n, d)	(((n) + (d) - 1) / (d))
#define READ_ONCE(x)	(*(const volatile typeof(x) *)&(x))
#define WRITE_ONCE(x, value)	(*(volatile typeof(x) *)&(x) = (value))
#define ilog2(n)	(63 - __builtin_clzl(n))
#define __ffs(n)	((unsigned long)__builtin_ctzl(n))

#define DECLARE_BITMAP(name, bits) unsigned long name[DIV_ROUND_UP(bits, BITS_PER_LONG)]

static inline bool __test_and_set_bit(unsigned int nr, unsigned long *bitmap)
{
	unsigned long *word = &bitmap[nr / BITS_PER_LONG], bit = BIT(nr % BITS_PER_LONG);
	bool was = *word & bit;

	*word |= bit;
	return was;
}

static inline u64 div_u64(u64 n, u32 d)
{
	return n / d;
}

static inline u64 div64_u64(u64 n, u64 d)
{
	return n / d;
}

static inline void sort_r(void *base, size_t nr, size_t size,
			  int (*cmp)(const void *a, const void *b, const void *priv),
			  void *swap_func, const void *priv)
{
	qsort_r(base, nr, size, (int (*)(const void *, const void *, void *))cmp, (void *)priv);
}

struct rnd_state {
	u64 s;
};

static inline void prandom_seed_state(struct rnd_state *rnd, u64 seed)
{
	rnd->s = seed | 1;
}

static inline u32 prandom_u32_state(struct rnd_state *rnd)
{
	rnd->s ^= rnd->s << 13;
	rnd->s ^= rnd->s >> 7;
	rnd->s ^= rnd->s << 17;
	return rnd->s >> 32;
}

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Clock, sizes, times and small files: what every other part needs and no more. */
#ifndef AUTOBALLOON_UTIL_H
#define AUTOBALLOON_UTIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define KIB ((uint64_t)1 << 10)
#define MIB ((uint64_t)1 << 20)
#define GIB ((uint64_t)1 << 30)

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* A number nobody knows. QEMU marks unset statistics the same way. */
#define UNSET UINT64_MAX

/* An amount of memory, given in bytes or as a share of some whole. */
struct amount {
	uint64_t bytes;		/* used when percent is negative */
	double percent;		/* of the whole, or negative */
};

uint64_t now_ms(void);
int parse_size(const char *text, uint64_t *bytes);
int parse_time_ms(const char *text, uint64_t *ms);
int parse_amount(const char *text, struct amount *amount);
int parse_u64(const char *text, uint64_t min, uint64_t max, uint64_t *value);
int parse_bool(const char *text, bool *value);
uint64_t amount_of(const struct amount *amount, uint64_t whole);
const char *format_size(char *buf, size_t size, uint64_t bytes);
char *big_buffer(size_t size);
ssize_t read_text(const char *path, char *buf, size_t size);
int text_field_u64(const char *text, const char *key, uint64_t *value);
void clean_text(char *text);
void clean_words(char *text);
const char *plain_path(const char *path, char *buf, size_t size);
bool copy_string(char *dst, size_t size, const char *src);
int lock_directory(const char *directory);

static inline uint64_t min_u64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static inline uint64_t max_u64(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/* Difference that stops at zero: numbers from a guest may come in any order. */
static inline uint64_t sub_floor(uint64_t a, uint64_t b)
{
	return a > b ? a - b : 0;
}

/* Sum that stops at the largest number instead of starting again at zero. */
static inline uint64_t add_cap(uint64_t a, uint64_t b)
{
	return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

/* part/whole of a value, without overflow for values up to 2^57. */
static inline uint64_t percent_of(uint64_t value, unsigned int percent)
{
	return value / 100 * percent + value % 100 * percent / 100;
}

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What fuzzers share: random numbers from a seed that is printed, so that a
 * failure can be repeated, and mutations of a text.
 */
#ifndef AUTOBALLOON_FUZZ_H
#define AUTOBALLOON_FUZZ_H

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "util.h"

static uint64_t seed = 0x9e3779b97f4a7c15ULL;

static inline uint64_t rnd(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

/* Pieces of text after each other: mostly in order, some from anywhere. */
static inline size_t build_text(const char *const *pieces, size_t nr, char *buf, size_t size)
{
	size_t len = 0, i, n = rnd() % (nr + 4) + 1;

	for (i = 0; i < n; i++) {
		const char *piece = pieces[rnd() % 3 ? i % nr : rnd() % nr];

		if (len + strlen(piece) > size)
			break;
		memcpy(buf + len, piece, strlen(piece));
		len += strlen(piece);
	}
	return len;
}

/* Up to five changes: a byte, a bit, a piece removed, doubled, or a word put in. */
static inline size_t mutate(char *buf, size_t len, size_t size, const char *const *words,
			    size_t nr_words)
{
	size_t n = rnd() % 6, at, piece;
	const char *word;

	while (n-- && len) {
		at = rnd() % len;
		switch (rnd() % 6) {
		case 0:
			buf[at] = (char)rnd();
			break;
		case 1:
			buf[at] ^= (char)(1 << rnd() % 8);
			break;
		case 2:
			piece = rnd() % (len - at) + 1;
			memmove(buf + at, buf + at + piece, len - at - piece);
			len -= piece;
			break;
		case 3:
			piece = min_u64(rnd() % 64 + 1, size - len);
			piece = min_u64(piece, len - at);
			memmove(buf + at + piece, buf + at, len - at);
			len += piece;
			break;
		default:
			word = words[rnd() % nr_words];
			piece = strlen(word);
			if (len + piece > size)
				break;
			memmove(buf + at + piece, buf + at, len - at);
			memcpy(buf + at, word, piece);
			len += piece;
			break;
		}
	}
	return len;
}

/* SECONDS [SEED]. Returns the time to end at, 0 on wrong usage. */
static inline uint64_t fuzz_start(int argc, char **argv, int first)
{
	uint64_t seconds = 10;

	if ((argc > first && parse_u64(argv[first], 1, 86400, &seconds)) ||
	    (argc > first + 1 && parse_u64(argv[first + 1], 1, UINT64_MAX, &seed)))
		return 0;
	printf("seed %" PRIu64 "\n", seed);
	fflush(stdout);
	return now_ms() + seconds * 1000;
}

#endif

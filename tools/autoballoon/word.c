// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The administrator's word about one guest. Each part of it goes over what the
 * configuration says, and nothing but another word ends it: it is kept apart
 * from the rule and from what the daemon did, so that neither a reload nor a
 * restart can mistake one for the other.
 */
#include "word.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

static const char *const automatic_names[] = { "configured", "on", "off" };

/**
 * word_is_empty - whether nothing was said
 * @word: the word
 *
 * Return: true if the configuration alone counts.
 */
bool word_is_empty(const struct word *word)
{
	return word->automatic == WORD_AS_CONFIGURED && !word->set && !word->hold &&
	       !word->min && !word->max;
}

/**
 * word_enabled - whether a guest is managed
 * @word: the word
 * @rule: what is configured
 *
 * Return: true if it is.
 */
bool word_enabled(const struct word *word, const struct guest_rule *rule)
{
	if (word->automatic == WORD_AS_CONFIGURED)
		return rule->automatic;
	return word->automatic == WORD_ENABLED;
}

/**
 * word_min - smallest size of a guest
 * @word: the word
 * @rule: what is configured
 * @ram: the guest's RAM in bytes
 *
 * Return: bytes.
 */
uint64_t word_min(const struct word *word, const struct guest_rule *rule, uint64_t ram)
{
	return word->min ? word->min : amount_of(&rule->min, ram);
}

/**
 * word_max - largest size of a guest, a hold left out
 * @word: the word
 * @rule: what is configured
 * @ram: the guest's RAM in bytes
 *
 * Return: bytes.
 */
uint64_t word_max(const struct word *word, const struct guest_rule *rule, uint64_t ram)
{
	return word->max ? word->max : amount_of(&rule->max, ram);
}

/**
 * word_write - write a word as "key=value" pairs
 * @word: the word
 * @tb: where to
 */
void word_write(const struct word *word, struct textbuf *tb)
{
	textbuf_printf(tb, "automatic=%s set=%" PRIu64 " hold=%" PRIu64 " min=%" PRIu64
		       " max=%" PRIu64, automatic_names[word->automatic], word->set, word->hold,
		       word->min, word->max);
}

/**
 * word_parse - read one pair that word_write() wrote
 * @word: the word
 * @key: which part
 * @value: its text
 *
 * Return: 0, -ENOENT if @key is no part of a word, or -EINVAL.
 */
int word_parse(struct word *word, const char *key, const char *value)
{
	const struct {
		const char *key;
		uint64_t *at;
	} sizes[] = {
		{ "set", &word->set }, { "hold", &word->hold },
		{ "min", &word->min }, { "max", &word->max },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(sizes); i++)
		if (!strcmp(key, sizes[i].key))
			return parse_u64(value, 0, UNSET - 1, sizes[i].at) ? -EINVAL : 0;
	if (strcmp(key, "automatic"))
		return -ENOENT;
	for (i = 0; i < ARRAY_SIZE(automatic_names); i++) {
		if (!strcmp(value, automatic_names[i])) {
			word->automatic = (enum word_automatic)i;
			return 0;
		}
	}
	return -EINVAL;
}

// SPDX-License-Identifier: GPL-2.0-or-later
/* Names and sentences of the reasons. */
#include "why.h"

#define WHY_NAME(symbol, name, text) name,
#define WHY_TEXT(symbol, name, text) text,

static const char *const why_names[NR_WHYS] = { WHY_LIST(WHY_NAME) };
static const char *const why_texts[NR_WHYS] = { WHY_LIST(WHY_TEXT) };

/**
 * why_name - short name of a reason, for logs and JSON
 * @why: the reason
 *
 * Return: lower case words joined by hyphens.
 */
const char *why_name(enum why why)
{
	return why_names[why];
}

/**
 * why_text - a reason as a sentence
 * @why: the reason
 *
 * Return: the sentence.
 */
const char *why_text(enum why why)
{
	return why_texts[why];
}

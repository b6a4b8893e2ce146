// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Typed access to JSON that others have written, and whether there is memory to
 * parse it. What is not as it should be is as if it were not there.
 */
#include "reply.h"

#include <stdlib.h>
#include <string.h>

/*
 * What json-c makes of a text, at worst: "[[[]]]," and the like are some 190
 * bytes of objects for each byte, and tables that grow are copied.
 */
#define OBJECT_BYTES 256
#define GROWTH_BYTES 32

/**
 * json_memory - whether there is memory to parse a text
 * @len: bytes of text
 * @before: bytes of the same text that were parsed before
 *
 * json-c does not survive an allocation that fails, so it must not come to that:
 * what can be had in one piece can be had in many, for nothing else runs between.
 *
 * Return: true if it is safe to go on.
 */
bool json_memory(size_t len, size_t before)
{
	void *volatile memory = malloc(len * OBJECT_BYTES + before * GROWTH_BYTES);
	bool enough = memory != NULL;

	free(memory);
	return enough;
}

static struct json_object *get(struct json_object *from, const char *key, json_type type)
{
	struct json_object *value;

	if (!json_object_is_type(from, json_type_object) ||
	    !json_object_object_get_ex(from, key, &value) ||
	    !json_object_is_type(value, type))
		return NULL;
	return value;
}

/**
 * reply_object - a member that is an object
 * @from: where to look; anything, even NULL
 * @key: the member's name
 *
 * Return: the object, owned by @from, or NULL.
 */
struct json_object *reply_object(struct json_object *from, const char *key)
{
	return get(from, key, json_type_object);
}

/**
 * reply_array - a member that is an array
 * @from: where to look; anything, even NULL
 * @key: the member's name
 *
 * Return: the array, owned by @from, or NULL.
 */
struct json_object *reply_array(struct json_object *from, const char *key)
{
	return get(from, key, json_type_array);
}

/**
 * reply_string - a member that is a string
 * @from: where to look; anything, even NULL
 * @key: the member's name
 *
 * Return: the text, owned by @from, or NULL.
 */
const char *reply_string(struct json_object *from, const char *key)
{
	struct json_object *value = get(from, key, json_type_string);

	return value ? json_object_get_string(value) : NULL;
}

/**
 * reply_u64 - a member that is a number not below zero
 * @from: where to look; anything, even NULL
 * @key: the member's name
 * @value: where it goes; 2^64 - 1 comes through unharmed
 *
 * Return: whether there is one.
 */
bool reply_u64(struct json_object *from, const char *key, uint64_t *value)
{
	struct json_object *number = get(from, key, json_type_int);

	if (!number || json_object_get_int64(number) < 0)
		return false;
	*value = json_object_get_uint64(number);
	return true;
}

/**
 * reply_bool - a member that is true or false
 * @from: where to look; anything, even NULL
 * @key: the member's name
 * @value: where it goes
 *
 * Return: whether there is one.
 */
bool reply_bool(struct json_object *from, const char *key, bool *value)
{
	struct json_object *boolean = get(from, key, json_type_boolean);

	if (!boolean)
		return false;
	*value = json_object_get_boolean(boolean);
	return true;
}

/**
 * reply_has_word - look for a string that begins with a word
 * @array: an array of strings, or anything, even NULL
 * @prefix: the word; QEMU writes "NAME: explanation"
 *
 * Return: whether there is one.
 */
bool reply_has_word(struct json_object *array, const char *prefix)
{
	size_t i, n, len = strlen(prefix);

	if (!json_object_is_type(array, json_type_array))
		return false;
	n = json_object_array_length(array);
	for (i = 0; i < n; i++) {
		struct json_object *item = json_object_array_get_idx(array, i);
		const char *text;

		if (!json_object_is_type(item, json_type_string))
			continue;
		text = json_object_get_string(item);
		if (!strncmp(text, prefix, len) && (!text[len] || text[len] == ':'))
			return true;
	}
	return false;
}

// SPDX-License-Identifier: GPL-2.0-or-later
/* Requests and answers of REST APIs. */
#include "rest.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "http.h"
#include "log.h"
#include "reply.h"

/**
 * rest_open - make a session
 * @guest: the guest
 *
 * Return: 0, or -ENOMEM.
 */
int rest_open(struct guest *guest)
{
	guest->session = http_new();
	return guest->session ? 0 : -ENOMEM;
}

/**
 * rest_close - end it
 * @guest: the guest
 */
void rest_close(struct guest *guest)
{
	http_free(guest->session);
}

/**
 * rest_ask - send a request
 * @guest: a guest with a session and no request under way
 * @table: the transport's commands
 * @command: one of them
 * @body: JSON, or ""
 * @time_ms: the time now
 *
 * Return: 0, or -errno if the session is broken.
 */
int rest_ask(struct guest *guest, const struct rest_command *table, unsigned int command,
	     const char *body, uint64_t time_ms)
{
	const struct rest_command *c = &table[command];
	char text[512];
	int n;

	n = snprintf(text, sizeof(text),
		     "%s %s HTTP/1.1\r\nHost: localhost\r\nAccept: application/json\r\n",
		     c->method, c->path);
	if (*body)
		n += snprintf(text + n, sizeof(text) - (size_t)n,
			      "Content-Type: application/json\r\nContent-Length: %zu\r\n",
			      strlen(body));
	n += snprintf(text + n, sizeof(text) - (size_t)n, "\r\n%s", body);
	guest_sent(guest, command, time_ms);
	return link_send(&guest->link, text, (size_t)n);
}

struct input {
	struct guest *guest;
	const struct rest_command *table;
	uint64_t time_ms;
};

static int on_answer(void *data, const struct http *answer)
{
	struct input *input = data;
	struct guest *guest = input->guest;
	const struct rest_command *command;

	if (guest->in_flight < 0)
		return -EPROTO;
	command = &input->table[guest->in_flight];
	guest->in_flight = -1;
	if (answer->status < 300) {
		command->done(guest, answer->json, input->time_ms);
	} else {
		guest->errors += command->failed == NULL;
		snprintf(guest->error, sizeof(guest->error), "%u %.100s", answer->status,
			 answer->text);
		clean_words(guest->error);
		log_debug("event=command-error guest=%s command=\"%s %s\" desc=\"%s\"",
			  guest->name, command->method, command->path, guest->error);
		if (command->failed)
			command->failed(guest);
	}
	return guest_work(guest, input->time_ms);
}

/**
 * rest_receive - take what has come in
 * @guest: the guest
 * @table: the transport's commands
 * @data: the bytes
 * @len: how many
 * @time_ms: the time now
 *
 * Return: 0, or -errno if the session is broken.
 */
int rest_receive(struct guest *guest, const struct rest_command *table, const char *data,
		 size_t len, uint64_t time_ms)
{
	struct input input = { guest, table, time_ms };

	return http_feed(guest->session, data, len, on_answer, &input);
}

/**
 * rest_stats - take numbers as statistics
 * @json: an object
 * @keys: the numbers' names and places
 * @nr: how many
 * @stats: where they go; what is not there is UNSET
 *
 * Return: whether the guest has sent any.
 */
bool rest_stats(struct json_object *json, const struct rest_stat *keys, size_t nr,
		struct policy_stats *stats)
{
	size_t i;

	memset(stats, 0xff, sizeof(*stats));
	for (i = 0; i < nr; i++)
		reply_u64(json, keys[i].key, (uint64_t *)(void *)((char *)stats + keys[i].offset));
	return stats->total != UNSET && stats->total;
}

// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Clock, sizes, times and small files.
 *
 * Nothing here allocates: the daemon calls these while the host is short of
 * memory.
 */
#include "util.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

/**
 * now_ms - milliseconds of the monotonic clock
 *
 * Return: a time that is never 0, so that 0 may mean "never".
 */
uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000 + 1;
}

/* A plain number with an optional fraction, at least one digit, no sign. */
static const char *parse_number(const char *text, double *value)
{
	char *end;

	if (*text < '0' || *text > '9' || !strncasecmp(text, "0x", 2))
		return NULL;
	*value = strtod(text, &end);
	return end;
}

/**
 * parse_size - read a size such as 4096, 16M, 1.5G or 2GiB
 * @text: the text
 * @bytes: where the size goes
 *
 * Units are powers of 1024. Sizes above 2^60 are refused.
 *
 * Return: 0, or -EINVAL.
 */
int parse_size(const char *text, uint64_t *bytes)
{
	static const char units[] = "BKMGT";
	const char *unit;
	double value;

	text = parse_number(text, &value);
	if (!text)
		return -EINVAL;
	if (*text) {
		unit = strchr(units, *text >= 'a' ? *text - 'a' + 'A' : *text);
		if (!unit)
			return -EINVAL;
		for (; unit > units; unit--)
			value *= 1024;
		text++;
		if (*text && strcasecmp(text, "B") && strcasecmp(text, "iB"))
			return -EINVAL;
	}
	if (value > (double)((uint64_t)1 << 60))
		return -EINVAL;
	*bytes = (uint64_t)value;
	return 0;
}

/**
 * parse_time_ms - read a time such as 500ms, 10s, 2m; a bare number is seconds
 * @text: the text
 * @ms: where the milliseconds go
 *
 * Return: 0, or -EINVAL.
 */
int parse_time_ms(const char *text, uint64_t *ms)
{
	double value;

	text = parse_number(text, &value);
	if (!text || value > 1e9)
		return -EINVAL;
	if (!strcmp(text, "ms"))
		*ms = (uint64_t)value;
	else if (!*text || !strcmp(text, "s"))
		*ms = (uint64_t)(value * 1000);
	else if (!strcmp(text, "m") || !strcmp(text, "min"))
		*ms = (uint64_t)(value * 60000);
	else if (!strcmp(text, "h"))
		*ms = (uint64_t)(value * 3600000);
	else
		return -EINVAL;
	return 0;
}

/**
 * parse_amount - read a size or a share such as 25%
 * @text: the text
 * @amount: where it goes
 *
 * Return: 0, or -EINVAL.
 */
int parse_amount(const char *text, struct amount *amount)
{
	const char *end;
	double value;

	end = parse_number(text, &value);
	if (end && !strcmp(end, "%")) {
		if (value > 100)
			return -EINVAL;
		amount->percent = value;
		amount->bytes = 0;
		return 0;
	}
	amount->percent = -1;
	return parse_size(text, &amount->bytes);
}

/**
 * parse_u64 - read a whole number within limits
 * @text: the text
 * @min: smallest number that is accepted
 * @max: largest number that is accepted
 * @value: where it goes
 *
 * Return: 0, -EINVAL (no number) or -ERANGE.
 */
int parse_u64(const char *text, uint64_t min, uint64_t max, uint64_t *value)
{
	unsigned long long n;
	char *end;

	if (*text < '0' || *text > '9')
		return -EINVAL;
	errno = 0;
	n = strtoull(text, &end, 10);
	if (*end)
		return -EINVAL;
	if (errno || n < min || n > max)
		return -ERANGE;
	*value = n;
	return 0;
}

/**
 * parse_bool - read yes/no, on/off, true/false, 1/0
 * @text: the text
 * @value: where it goes
 *
 * Return: 0, or -EINVAL.
 */
int parse_bool(const char *text, bool *value)
{
	static const char *const words[] = { "no", "yes", "off", "on", "false", "true", "0", "1" };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(words); i++) {
		if (!strcasecmp(text, words[i])) {
			*value = i & 1;
			return 0;
		}
	}
	return -EINVAL;
}

/**
 * amount_of - bytes that an amount stands for
 * @amount: the amount
 * @whole: bytes that 100 % are
 *
 * Return: bytes; a share never exceeds @whole.
 */
uint64_t amount_of(const struct amount *amount, uint64_t whole)
{
	if (amount->percent < 0)
		return amount->bytes;
	return min_u64((uint64_t)((double)whole * amount->percent / 100), whole);
}

/**
 * format_size - write a size for people
 * @buf: buffer
 * @size: bytes in @buf
 * @bytes: the size, UNSET is written as "-"
 *
 * Return: @buf.
 */
const char *format_size(char *buf, size_t size, uint64_t bytes)
{
	if (bytes == UNSET)
		snprintf(buf, size, "-");
	else if (bytes >= 10 * GIB)
		snprintf(buf, size, "%.1fG", (double)bytes / (double)GIB);
	else if (bytes >= MIB)
		snprintf(buf, size, "%.*fM", (bytes % MIB) ? 1 : 0, (double)bytes / (double)MIB);
	else
		snprintf(buf, size, "%.0fK", (double)bytes / (double)KIB);
	return buf;
}

/**
 * big_buffer - memory that costs nothing until it is used
 * @size: bytes
 *
 * The daemon's memory is locked, and what is mapped then is there at once, but
 * not this: it is for answers that are large when there are many guests.
 *
 * Return: the buffer, for good, or NULL.
 */
char *big_buffer(size_t size)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return memory == MAP_FAILED ? NULL : memory;
}

/**
 * read_text - read the start of a small file
 * @path: its name
 * @buf: buffer; the text in it always ends with a NUL
 * @size: bytes in @buf
 *
 * Return: bytes read, or -errno.
 */
ssize_t read_text(const char *path, char *buf, size_t size)
{
	size_t len = 0;
	ssize_t n;
	int fd;

	buf[0] = '\0';
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		return -errno;
	do {
		n = read(fd, buf + len, size - 1 - len);
		if (n > 0)
			len += (size_t)n;
	} while (n > 0 && len < size - 1);
	if (n < 0)
		n = -errno;
	close(fd);
	buf[len] = '\0';
	return n < 0 ? n : (ssize_t)len;
}

/**
 * text_field_u64 - find "key number" at the start of a line
 * @text: lines as in /proc/meminfo, /proc/PID/status or memory.stat
 * @key: the key with its delimiter, such as "MemAvailable:"
 * @value: where the number goes
 *
 * Return: 0, or -ENOENT.
 */
int text_field_u64(const char *text, const char *key, uint64_t *value)
{
	size_t len = strlen(key);
	const char *p;

	for (p = text; p; p = strchr(p, '\n')) {
		if (*p == '\n')
			p++;
		if (strncmp(p, key, len) || (p[len] != ' ' && p[len] != '\t'))
			continue;
		p += len + strspn(p + len, " \t");
		if (*p < '0' || *p > '9')
			return -ENOENT;
		*value = strtoull(p, NULL, 10);
		return 0;
	}
	return -ENOENT;
}

/**
 * clean_text - make a text fit for logs, terminals and file formats
 * @text: what is not plain in it becomes "_"
 */
void clean_text(char *text)
{
	for (; *text; text++)
		if (*text <= ' ' || *text > '~' || strchr("\"\\=%{}", *text))
			*text = '_';
}

/**
 * clean_words - make a sentence fit to stand in quotes, in logs and on terminals
 * @text: what is not plain in it becomes "_", except blanks
 */
void clean_words(char *text)
{
	for (; *text; text++)
		if (*text < ' ' || *text > '~' || *text == '"' || *text == '\\')
			*text = '_';
}

/**
 * plain_path - a path that anybody may have named, for logs
 * @path: the path
 * @buf: where its clean copy goes, cut if need be
 * @size: bytes in @buf
 *
 * Return: @buf.
 */
const char *plain_path(const char *path, char *buf, size_t size)
{
	copy_string(buf, size, path);
	clean_text(buf);
	return buf;
}

/**
 * copy_string - copy a text into an array, cut if need be
 * @dst: the array
 * @size: its size
 * @src: the text
 *
 * Return: whether all of it fitted.
 */
bool copy_string(char *dst, size_t size, const char *src)
{
	size_t len = strnlen(src, size);
	bool fits = len < size;

	if (!fits)
		len = size - 1;
	memcpy(dst, src, len);
	dst[len] = '\0';
	return fits;
}

/**
 * lock_directory - see that no other process works in a directory
 * @directory: its path; it exists
 *
 * The lock is a file in it, and stays until the process ends.
 *
 * Return: 0, -EADDRINUSE if another process is there, or -errno.
 */
int lock_directory(const char *directory)
{
	char path[PATH_MAX + 8];
	int fd;

	snprintf(path, sizeof(path), "%s/lock", directory);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -errno;
	if (flock(fd, LOCK_EX | LOCK_NB)) {
		close(fd);
		return -EADDRINUSE;
	}
	return 0;
}

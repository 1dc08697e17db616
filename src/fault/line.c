/* SPDX-License-Identifier: MIT */
#include "fault/line.h"

#include <assert.h>

#include "base/clock.h"

void line_open(struct line *ret_line, unsigned char *bytes, size_t size)
{
	assert(size > 2 * FAULT_REGION_MAX);
	*ret_line = (struct line){ .bytes = bytes, .size = size };
}

size_t line_used(const struct line *line)
{
	return (size_t)(line->put - line->sent);
}

size_t line_room(const struct line *line)
{
	size_t used = line_used(line), usable = line->size - 2 * FAULT_REGION_MAX;
	return used < usable ? usable - used : 0;
}

static unsigned char *line_at(const struct line *line, uint64_t position)
{
	return &line->bytes[position % line->size];
}

void line_put(struct line *line, const unsigned char *bytes, size_t n)
{
	for (size_t i = 0; i < n; i++)
		*line_at(line, line->put++) = bytes[i];
}

void line_put_again(struct line *line, uint64_t from)
{
	uint64_t end = line->put;
	assert(end - from <= FAULT_REGION_MAX);
	while (from < end)
		*line_at(line, line->put++) = *line_at(line, from++);
}

static struct line_part *last_part(struct line *line)
{
	return &line->parts[(line->first_part + line->n_parts - 1) % LINE_PARTS_MAX];
}

void line_seal(struct line *line, uint64_t due_ns)
{
	if (line->put == (line->n_parts > 0 ? last_part(line)->end : line->sent))
		return;
	if (line->n_parts < LINE_PARTS_MAX)
		line->n_parts++;
	else
		due_ns = clock_later_ns(due_ns, last_part(line)->due_ns);
	*last_part(line) = (struct line_part){ .end = line->put, .due_ns = due_ns };
}

void line_drop(struct line *line)
{
	line->sent = line->put;
	line->n_parts = 0;
}

size_t line_sendable(const struct line *line, uint64_t now_ns, const unsigned char **ret_bytes,
		     uint64_t *until_ns)
{
	if (line->n_parts == 0)
		return 0;
	const struct line_part *part = &line->parts[line->first_part];
	if (now_ns < part->due_ns) {
		*until_ns = clock_earlier_ns(*until_ns, part->due_ns);
		return 0;
	}
	size_t n = (size_t)(part->end - line->sent);
	size_t to_wrap = line->size - (size_t)(line->sent % line->size);
	*ret_bytes = line_at(line, line->sent);
	return n < to_wrap ? n : to_wrap;
}

void line_sent(struct line *line, size_t n)
{
	assert(line->n_parts > 0 && n <= line->parts[line->first_part].end - line->sent);
	line->sent += n;
	if (line->sent == line->parts[line->first_part].end) {
		line->first_part = (line->first_part + 1) % LINE_PARTS_MAX;
		line->n_parts--;
	}
}

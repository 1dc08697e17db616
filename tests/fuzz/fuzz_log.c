/* SPDX-License-Identifier: MIT */
/*
 * The log: whatever a field or a message contains, a record is one line. It is valid JSON if JSON
 * was requested, and reads as the same values. It is cut only at the end of the line. A line that
 * is not taken is dropped and counted, and the count is logged.
 */
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/escape.h"
#include "base/log.h"
#include "fuzz.h"
#include "sink.h"

#define MOST_FIELDS  8
#define MOST_RECORDS 4

/* From here on a line may cut a value (base/log.c: so that the following fields still fit). */
#define CUT_FROM (LOG_LINE_SIZE - 512)

/* Expected contents of a line: an event or a prefix, names, and values as they are shown. */
struct line {
	const char *event;
	bool is_sentence; /* in text: `event` is its prefix, and its only value has no name */
	size_t n;
	struct {
		const char *name;
		bool is_number;
		char shown[ESCAPE_ROOM(LOG_LINE_SIZE) + 1];
	} fields[MOST_FIELDS];
};

static enum log_format format;

/*
 * The line that is being written, and the line whose rest is still to come. Too large for a stack.
 */
static struct line expected, cut;

/* ---- reading a line ---- */

struct reader {
	const char *at, *end;
	size_t line_size;
};

static void skip(struct reader *reader, const char *text)
{
	size_t n = strlen(text);
	assert((size_t)(reader->end - reader->at) >= n && memcmp(reader->at, text, n) == 0);
	reader->at += n;
}

/*
 * Returns the next character of a value, '\0' at its end; *ret_size is the number of bytes that
 * represent it. A quoted value has no quote and no lone backslash. Together with the sink's check
 * for controls, that is the rule of RFC 8259 for strings.
 */
static char peek(const struct reader *reader, bool quoted, size_t *ret_size)
{
	char byte = *reader->at;
	*ret_size = 1;
	if (byte == (quoted ? '"' : '\n'))
		return '\0';
	if (!quoted || byte != '\\')
		return byte;
	*ret_size = 2;
	assert(reader->at[1] == '\\' || reader->at[1] == '"');
	return reader->at[1];
}

/* If a value is cut within a character, up to three bytes are shown as \xNN. */
static void read_cut(struct reader *reader, bool quoted)
{
	size_t size;
	assert(reader->line_size >= CUT_FROM);
	for (int i = 0; i < 3 && peek(reader, quoted, &size) == '\\'; i++)
		reader->at += size + strlen("xNN");
}

/* A value must be what was shown, or as much of it as the line could hold. */
static void read_shown(struct reader *reader, const char *shown, bool quoted)
{
	size_t size;
	if (quoted)
		skip(reader, "\"");
	for (; *shown != '\0' && peek(reader, quoted, &size) == *shown; shown++)
		reader->at += size;
	assert((*shown & 0xc0) != 0x80);
	if (*shown != '\0')
		read_cut(reader, quoted);
	if (quoted)
		skip(reader, "\"");
}

/* A whole line, without its newline. */
static void read_line(struct reader *reader, const struct line *line)
{
	bool json = format == LOG_JSON;
	skip(reader, json ? "{\"event\":\"" : "");
	skip(reader, line->event);
	skip(reader, json ? "\"" : "");
	for (size_t i = 0; i < line->n; i++) {
		bool is_named = json || !line->is_sentence;
		skip(reader, json ? ",\"" : is_named ? " " : "");
		skip(reader, is_named ? line->fields[i].name : "");
		skip(reader, json ? "\":" : is_named ? "=" : "");
		bool quoted =
			is_named && !line->fields[i].is_number && (json || *reader->at == '"');
		read_shown(reader, line->fields[i].shown, quoted);
	}
	skip(reader, json ? "}" : "");
	assert(reader->at == reader->end);
}

/* ---- the sink: what a call has written is looked at when it returns ---- */

static struct sink sink;
static uint64_t n_dropped; /* not logged yet */
static bool is_cut;        /* the sink ends within the line `cut` */

/* Takes the next whole line out of the sink; returns false if the sink has none. */
static bool next_line(size_t *place, struct reader *ret_reader)
{
	const char *line = sink.bytes + *place;
	const char *newline = memchr(line, '\n', sink.size - *place);
	if (newline == NULL)
		return false;
	*place += (size_t)(newline - line) + 1;
	*ret_reader = (struct reader){ line, newline, (size_t)(newline - line) };
	return true;
}

/* Finds a line: it is there, or begun (then it is `cut` from now on), or dropped. */
static bool take_one(size_t *place, const struct line *line)
{
	struct reader reader;
	if (next_line(place, &reader)) {
		is_cut = false;
		read_line(&reader, line);
		return true;
	}
	is_cut = *place < sink.size;
	if (is_cut && line != &cut)
		cut = *line;
	return is_cut;
}

static void set_number(struct line *line, const char *name, uint64_t value)
{
	line->fields[line->n].name = name;
	line->fields[line->n].is_number = true;
	snprintf(line->fields[line->n].shown, 32, "%" PRIu64, value);
	line->n++;
}

/* Reads what one call has written: the rest of a line, a count, and the line. */
static void take_lines(void)
{
	static struct line count;
	size_t place = 0;
	bool was_cut = is_cut;
	(void)sink_lines(&sink); /* only its assertions matter here */
	if (was_cut)
		take_one(&place, &cut);
	if (!is_cut && n_dropped > 0) {
		count.event = "dropped";
		count.n = 0;
		set_number(&count, "lines", n_dropped);
		n_dropped = take_one(&place, &count) ? 0 : n_dropped;
	}
	if (is_cut || n_dropped > 0 || !take_one(&place, &expected))
		n_dropped++;
	assert(is_cut || place == sink.size);
	sink.size -= place;
	memmove(sink.bytes, sink.bytes + place, sink.size);
}

/* ---- records ---- */

/* Writes the shown form of a string into `out`, which has ESCAPE_ROOM() for it. */
static void show(const char *text, char *out)
{
	struct escape escape = { .utf8 = true };
	size_t n = escape_bytes(&escape, text, strlen(text), out);
	n += escape_end(&escape, out + n);
	out[n] = '\0';
}

/* Returns a string of the input, sometimes repeated: longer than a line, from a short input. */
static char *long_string(struct fuzz_input *input, size_t most)
{
	uint8_t choice = fuzz_byte(input);
	size_t times = choice < 0xe0 ? 1 : choice % 64;
	char *piece = fuzz_string(input);
	size_t n = strlen(piece);
	if (n * times > most)
		times = n > most ? 0 : most / n;
	char *string = malloc(n * times + 1);
	assert(string != NULL);
	for (size_t i = 0; i < times; i++)
		memcpy(string + i * n, piece, n);
	string[n * times] = '\0';
	free(piece);
	return string;
}

static void add_field(struct log_record *record, struct fuzz_input *input)
{
	static const char *const names[MOST_FIELDS] = { "peer",   "in",     "out",   "seconds",
							"reason", "signal", "error", "last" };
	const char *name = names[expected.n];
	char *shown = expected.fields[expected.n].shown;
	uint8_t kind = fuzz_byte(input) % 3;
	expected.fields[expected.n].name = name;
	expected.fields[expected.n].is_number = kind != 0;
	expected.n++;
	if (kind == 0) {
		char *value = long_string(input, LOG_LINE_SIZE);
		log_record_text(record, name, value);
		show(value, shown);
		free(value);
	} else if (kind == 1) {
		uint64_t count = fuzz_number(input);
		log_record_count(record, name, count);
		snprintf(shown, 32, "%" PRIu64, count);
	} else {
		uint64_t ns = fuzz_number(input);
		log_record_seconds(record, name, ns);
		snprintf(shown, 32, "%" PRIu64 ".%03u", ns / 1000000000,
			 (unsigned int)(ns / 1000000 % 1000));
	}
}

static void check_record(struct fuzz_input *input)
{
	struct log_record record;
	expected.event = "end";
	expected.is_sentence = false;
	log_record_begin(&record, "end");
	for (size_t n = fuzz_byte(input) % (MOST_FIELDS + 1); n > 0; n--)
		add_field(&record, input);
	log_record_end(&record);
	take_lines();
}

/* ---- sentences ---- */

/* A message is cut at half a line before it is shown. */
#define SENTENCE_MAX (LOG_LINE_SIZE / 2 - 1)

static const struct {
	const char *event, *prefix;
} kinds[] = {
	{ "error", "tcpecho: " },
	{ "warning", "tcpecho: warning: " },
	{ "notice", "" },
};

static void say(size_t kind, const char *sentence)
{
	if (kind == 0)
		log_error("%s", sentence);
	else if (kind == 1)
		log_warning("%s", sentence);
	else
		log_notice("%s", sentence);
}

/* In text a message stands after its prefix; in JSON it is the field "message". */
static void check_sentence(size_t kind, const char *sentence)
{
	expected.event = format == LOG_JSON ? kinds[kind].event : kinds[kind].prefix;
	expected.is_sentence = true;
	expected.n = 1;
	expected.fields[0].name = "message";
	expected.fields[0].is_number = false;
	show(sentence, expected.fields[0].shown);
	say(kind, sentence);
	take_lines();
	assert(kind != 0 || (!is_cut && n_dropped == 0)); /* an error is never dropped */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input input = { data, size };
	format = fuzz_byte(&input) % 2 ? LOG_JSON : LOG_TEXT;
	n_dropped = 0;
	is_cut = false;
	sink_open(&sink);
	log_setup(format, false);
	for (int i = 0; i < MOST_RECORDS && input.left > 0; i++) {
		uint8_t choice = fuzz_byte(&input);
		expected.n = 0;
		sink.room = choice % 4 == 0 ? 0 : choice & 8 ? fuzz_byte(&input) : SIZE_MAX;
		sink.at_once = choice & 0x10 ? 1 + choice / 32 : 0;
		if (choice & 4) {
			size_t kind = fuzz_byte(&input) % 3;
			char *sentence = long_string(&input, SENTENCE_MAX);
			check_sentence(kind, sentence);
			free(sentence);
		} else {
			check_record(&input);
		}
	}
	/* A pending count is logged now, so that the next input starts without one. */
	sink.room = SIZE_MAX;
	check_sentence(2, "last");
	assert(!is_cut && n_dropped == 0 && sink.size == 0);
	sink_open(NULL);
	return 0;
}

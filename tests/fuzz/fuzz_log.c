/* SPDX-License-Identifier: MIT */
/*
 * The log: whatever a field or a sentence holds, a record is one line, valid JSON where JSON was
 * asked for, and reads as what was put in; only at the end of the line anything is cut. A line that
 * is not taken is dropped and counted, and the count is told.
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

/* From here on a line may cut a value (base/log.c: so that the fields behind it still fit). */
#define CUT_FROM (LOG_LINE_SIZE - 512)

/* What a line must say: names, and values as they are shown. Large, so there is only one. */
static struct {
	enum log_format format;
	size_t n;
	struct {
		const char *name;
		bool is_number;
		char shown[ESCAPE_ROOM(LOG_LINE_SIZE) + 1];
	} fields[MOST_FIELDS];
} expected;

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
 * The next character of a value, '\0' at its end; *ret_size is how many bytes stand for it. In
 * quotes there is no quote and no lone backslash, which with the sink's "no control" is the rule of
 * RFC 8259 for strings.
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

/* Where a value is cut within a character, as many as three of its bytes are shown as \xNN. */
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

/* The line of a record, without its newline. */
static void read_record(struct reader *reader, const char *event)
{
	bool json = expected.format == LOG_JSON;
	skip(reader, json ? "{\"event\":\"" : "");
	skip(reader, event);
	skip(reader, json ? "\"" : "");
	for (size_t i = 0; i < expected.n; i++) {
		skip(reader, json ? ",\"" : " ");
		skip(reader, expected.fields[i].name);
		skip(reader, json ? "\":" : "=");
		bool quoted = !expected.fields[i].is_number && (json || *reader->at == '"');
		read_shown(reader, expected.fields[i].shown, quoted);
	}
	skip(reader, json ? "}" : "");
	assert(reader->at == reader->end);
}

/* ---- the sink: all lines are looked at as soon as they are there ---- */

static struct sink sink;
static uint64_t n_refused, n_told;

/* Takes the next line out of the sink; false when there is none. */
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

/* "dropped lines=N" comes before the line that was taken. */
static void read_dropped(struct reader *reader)
{
	bool json = expected.format == LOG_JSON;
	skip(reader, json ? "{\"event\":\"dropped\",\"lines\":" : "dropped lines=");
	char *end;
	n_told += strtoull(reader->at, &end, 10);
	reader->at = end;
	skip(reader, json ? "}" : "");
	assert(reader->at == reader->end);
}

/* Looks at what one call has written. Returns false when the line was dropped, as it should be. */
static bool take_line(bool waits, struct reader *ret_line)
{
	size_t place = 0, n = sink_lines(&sink);
	if (!waits && sink.full) {
		assert(n == 0);
		n_refused++;
		return false;
	}
	bool has_dropped = n_told < n_refused;
	assert(n == 1u + has_dropped);
	if (has_dropped) {
		assert(next_line(&place, ret_line));
		read_dropped(ret_line);
		assert(n_told == n_refused);
	}
	assert(next_line(&place, ret_line));
	sink.size = 0;
	return true;
}

/* ---- records ---- */

/* How a string is shown: into `out`, which has ESCAPE_ROOM() for it. */
static void show(const char *text, char *out)
{
	struct escape escape = { .utf8 = true };
	size_t n = escape_bytes(&escape, text, strlen(text), out);
	n += escape_end(&escape, out + n);
	out[n] = '\0';
}

/* A string of the input, at times several times over: longer than a line, from a short input. */
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
	struct reader line;
	log_record_begin(&record, "end");
	for (size_t n = fuzz_byte(input) % (MOST_FIELDS + 1); n > 0; n--)
		add_field(&record, input);
	log_record_end(&record);
	if (take_line(false, &line))
		read_record(&line, "end");
}

/* ---- sentences ---- */

/* A sentence is cut at half a line before it is shown. */
#define SENTENCE_MOST (LOG_LINE_SIZE / 2 - 1)

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

/* In text a sentence stands behind its prefix; in JSON it is the field "message". */
static void check_sentence(struct fuzz_input *input)
{
	size_t kind = fuzz_byte(input) % 3;
	char *sentence = long_string(input, SENTENCE_MOST);
	say(kind, sentence);
	expected.n = 1;
	expected.fields[0].name = "message";
	expected.fields[0].is_number = false;
	show(sentence, expected.fields[0].shown);
	free(sentence);

	struct reader line;
	if (!take_line(kind == 0, &line))
		return;
	if (expected.format == LOG_JSON) {
		read_record(&line, kinds[kind].event);
		return;
	}
	skip(&line, kinds[kind].prefix);
	read_shown(&line, expected.fields[0].shown, false);
	assert(line.at == line.end);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input input = { data, size };
	expected.format = fuzz_byte(&input) % 2 ? LOG_JSON : LOG_TEXT;
	n_refused = n_told = 0;
	sink_open(&sink);
	log_setup(expected.format, false);
	for (int i = 0; i < MOST_RECORDS && input.left > 0; i++) {
		uint8_t choice = fuzz_byte(&input);
		expected.n = 0;
		sink.full = choice % 4 == 0;
		sink.at_once = choice & 0x10 ? 1 + choice / 32 : 0;
		if (choice & 4)
			check_sentence(&input);
		else
			check_record(&input);
	}
	/* What is still to be told is told now, and the next input starts from nothing. */
	struct reader line;
	sink.full = false;
	log_notice("last");
	assert(take_line(false, &line));
	assert(n_told == n_refused);
	sink_open(NULL);
	return 0;
}

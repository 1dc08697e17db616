/* SPDX-License-Identifier: MIT */
/* Every fault of an echo is named correctly, with its offset, with one connection or a thousand. */
#include "client/diagnosis.h"

#include <stdio.h>
#include <string.h>

#include "base/payload.h"
#include "unit.h"

#define SENT ((size_t)16384)
#define MOST (2 * SENT)

/* The bytes that a connection received, and the connection's number and seed. */
static uint64_t seed = 20260101;
static unsigned char got[MOST];
static size_t n_got;
static uint64_t n_connections, connection;

/* Everything has come back correctly; the test then changes it. */
static void come_back(uint64_t from, uint64_t of)
{
	n_connections = of;
	connection = from;
	struct payload payload = payload_of(seed, connection);
	n_got = SENT;
	payload_fill(&payload, 0, got, n_got);
}

static void drop(size_t at, size_t n)
{
	memmove(got + at, got + at + n, n_got - at - n);
	n_got -= n;
}

static void insert(size_t at, const void *bytes, size_t n)
{
	assert_true(n_got + n <= MOST);
	memmove(got + at + n, got + at, n_got - at);
	memcpy(got + at, bytes, n);
	n_got += n;
}

/* Overwrites n bytes with bytes of a stream. */
static void put_stream(size_t at, uint64_t of, uint64_t offset, size_t n)
{
	struct payload payload = payload_of(seed, of);
	payload_fill(&payload, offset, got + at, n);
}

static size_t first_wrong(void)
{
	struct payload payload = payload_of(seed, connection);
	return payload_match(&payload, 0, got, n_got < SENT ? n_got : SENT);
}

/* Returns the diagnosis of up to n bytes, starting at the first wrong one. */
static struct diagnosis diagnose_some(size_t n)
{
	size_t wrong = first_wrong();
	assert_true(wrong < n_got);
	struct diagnosis_case given = {
		.seed = seed,
		.connection = connection,
		.n_connections = n_connections,
		.offset = wrong,
		.sent = SENT,
		.max_sent = SENT,
		.received = got + wrong,
		.n = n_got - wrong < n ? n_got - wrong : n,
	};
	return diagnose(&given);
}

/* Asserts that the message contains this, after the connection's name if there are several. */
static void assert_says(const struct diagnosis *diagnosis, const char *sentence)
{
	char whole[512];
	snprintf(whole, sizeof(whole), "connection %ju: %s", (uintmax_t)connection, sentence);
	assert_string_equal(diagnosis->text, n_connections > 1 ? whole : strchr(whole, ':') + 2);
}

/* One connection, and some of a thousand. */
static const struct {
	uint64_t from, of;
} worlds[] = { { 0, 1 }, { 0, 1000 }, { 3, 1000 }, { 999, 1000 } };

/* ---- in place ---- */

TEST(a_flipped_bit_is_named_wherever_it_is)
{
	for (size_t w = 0; w < ARRAY_LEN(worlds); w++) {
		for (size_t at = 0; at < 24; at++) {
			for (unsigned int bit = 0; bit < 8; bit++) {
				come_back(worlds[w].from, worlds[w].of);
				unsigned char sent = got[4090 + at];
				got[4090 + at] ^= (unsigned char)(1u << bit);
				struct diagnosis diagnosis = diagnose_some(64);
				char sentence[128];
				snprintf(sentence, sizeof(sentence),
					 "byte %zu differs: sent 0x%02x, got 0x%02x "
					 "(one bit flipped: bit %u)",
					 4090 + at, sent, sent ^ (1u << bit), bit);
				assert_int_equal(diagnosis.kind, DIAGNOSIS_FLIPPED);
				assert_int_equal(diagnosis.n_bits, 1);
				assert_int_equal(diagnosis.bit, bit);
				assert_int_equal(diagnosis.n_bytes, 1);
				assert_says(&diagnosis, sentence);
			}
		}
	}
}

TEST(five_bytes_are_enough_for_a_flipped_bit)
{
	come_back(0, 1);
	got[100] ^= 0x10;
	assert_int_equal(diagnose_some(5).kind, DIAGNOSIS_FLIPPED);
	assert_int_equal(diagnose_some(4).kind, DIAGNOSIS_UNKNOWN);
}

TEST(a_foreign_word_in_place_differs_from_a_moved_one)
{
	for (size_t w = 0; w < ARRAY_LEN(worlds); w++) {
		come_back(worlds[w].from, worlds[w].of);
		for (size_t i = 0; i < 8; i++)
			got[1000 + i] ^= 0xff;
		struct diagnosis diagnosis = diagnose_some(DIAGNOSIS_MAX);
		assert_int_equal(diagnosis.kind, DIAGNOSIS_FLIPPED);
		assert_int_equal(diagnosis.n_bytes, 8);
		assert_int_equal(diagnosis.n_bits, 64);
		assert_non_null(strstr(diagnosis.text,
				       "(8 of 8 bytes differ; those after them are right)"));
	}
}

TEST(bytes_changed_by_a_rule_are_diagnosed)
{
	come_back(0, 1);
	for (size_t i = 0; i < n_got; i++)
		got[i] &= 0x7f;
	assert_non_null(strstr(diagnose_some(DIAGNOSIS_MAX).text, ": all lost their highest bit)"));
	come_back(0, 1);
	for (size_t i = 0; i < n_got; i++)
		got[i] = (unsigned char)(got[i] >= 'a' && got[i] <= 'z' ? got[i] - 32 : got[i]);
	assert_non_null(strstr(diagnose_some(DIAGNOSIS_MAX).text, ": letters became upper case)"));
}

/* ---- moved ---- */

TEST(lost_bytes_are_counted)
{
	static const size_t sizes[] = { 1, 2, 3, 7, 8, 9, 63, 64, 65, 1000, 4096 };
	for (size_t w = 0; w < ARRAY_LEN(worlds); w++) {
		for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
			for (size_t at = 4096; at < 4096 + 9; at++) {
				come_back(worlds[w].from, worlds[w].of);
				drop(at, sizes[i]);
				size_t wrong = first_wrong();
				struct diagnosis diagnosis = diagnose_some(DIAGNOSIS_ENOUGH);
				assert_int_equal(diagnosis.kind, DIAGNOSIS_LOST);
				assert_int_equal(diagnosis.n_bytes, sizes[i]);
				assert_int_equal(diagnosis.origin, wrong + sizes[i]);
				assert_int_equal(diagnosis.connection, worlds[w].from);
			}
		}
	}
}

TEST(the_sentence_for_lost_bytes_says_how_many_and_where)
{
	come_back(3, 1000);
	drop(4096, 64);
	struct diagnosis diagnosis = diagnose_some(DIAGNOSIS_ENOUGH);
	assert_says(&diagnosis, "64 bytes are missing at byte 4096");
	come_back(0, 1);
	drop(4096, 1);
	diagnosis = diagnose_some(DIAGNOSIS_ENOUGH);
	assert_says(&diagnosis, "1 byte is missing at byte 4096");
}

TEST(repeated_bytes_are_counted)
{
	static const size_t sizes[] = { 1, 2, 3, 7, 8, 9, 63, 64, 65, 1000, 4096 };
	for (size_t w = 0; w < ARRAY_LEN(worlds); w++) {
		for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
			for (size_t at = 4096; at < 4096 + 9; at++) {
				come_back(worlds[w].from, worlds[w].of);
				unsigned char again[4096];
				memcpy(again, got + at - sizes[i], sizes[i]);
				insert(at, again, sizes[i]);
				size_t wrong = first_wrong();
				struct diagnosis diagnosis = diagnose_some(DIAGNOSIS_ENOUGH);
				assert_int_equal(diagnosis.kind, DIAGNOSIS_REPEATED);
				assert_int_equal(diagnosis.n_bytes, sizes[i]);
				assert_int_equal(diagnosis.origin, wrong - sizes[i]);
			}
		}
	}
}

TEST(an_old_block_in_place_of_a_new_one_is_diagnosed)
{
	come_back(3, 1000);
	put_stream(4096, 3, 512, 64);
	struct diagnosis diagnosis = diagnose_some(DIAGNOSIS_MAX);
	assert_int_equal(diagnosis.kind, DIAGNOSIS_REPEATED);
	assert_says(&diagnosis, "byte 4096 is byte 512 again, 3584 bytes back "
				"(64 bytes; those after them are right)");
}

TEST(what_comes_twice_at_the_end_is_repeated_and_no_surplus)
{
	come_back(0, 1);
	put_stream(SENT, 0, SENT - 100, 100);
	n_got = SENT + 100;
	struct diagnosis diagnosis = diagnose_some(DIAGNOSIS_MAX);
	assert_int_equal(diagnosis.kind, DIAGNOSIS_REPEATED);
	assert_int_equal(diagnosis.n_bytes, 100);
}

TEST(doubled_0xff_is_telnet)
{
	come_back(0, 1);
	size_t at = 1000;
	while (got[at] != 0xff || got[at + 1] == 0xff)
		at++;
	insert(at, "\xff", 1);
	struct diagnosis diagnosis = diagnose_some(DIAGNOSIS_MAX);
	assert_int_equal(diagnosis.kind, DIAGNOSIS_REPEATED);
	assert_non_null(strstr(diagnosis.text, "again, 1 byte back (0xff was doubled"));
}

/* ---- of others ---- */

TEST(a_swap_of_two_connections_names_the_other_and_its_offset)
{
	static const size_t sizes[] = { 8, 16, 64, 100, 4096 };
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		for (uint64_t other = 0; other < 1000; other += 37) {
			come_back(500, 1000);
			put_stream(4096, other, 512, sizes[i]);
			size_t skip = first_wrong() - 4096;
			if (other == 500 || (sizes[i] == 8 && skip > 0))
				continue; /* seven bytes may match by chance */
			struct diagnosis diagnosis = diagnose_some(DIAGNOSIS_MAX);
			assert_int_equal(diagnosis.kind, DIAGNOSIS_STRAY);
			assert_int_equal(diagnosis.connection, other);
			assert_int_equal(diagnosis.origin, 512 + skip);
			size_t run = sizes[i] - skip;
			assert_true(diagnosis.n_bytes >= (run < 256 ? run : 256));
			assert_true(diagnosis.n_bytes <= run + 1 || sizes[i] > 256);
		}
	}
}

TEST(the_sentence_for_a_swap_names_both_places)
{
	come_back(3, 1000);
	put_stream(4096, 8, 512, SENT - 4096);
	struct diagnosis diagnosis = diagnose_some(DIAGNOSIS_MAX);
	assert_says(&diagnosis, "byte 4096 is byte 512 of connection 8");
	assert_int_equal(diagnosis.n_bytes, DIAGNOSIS_MAX);
	put_stream(4096 + 64, 3, 4096 + 64, SENT - 4096 - 64);
	diagnosis = diagnose_some(DIAGNOSIS_MAX);
	assert_says(&diagnosis, "byte 4096 is byte 512 of connection 8 "
				"(64 bytes; those after them are right)");
}

TEST(bytes_not_sent_yet_are_not_misplaced)
{
	come_back(0, 1000);
	put_stream(4096, 8, SENT, SENT - 4096);
	assert_int_equal(diagnose_some(DIAGNOSIS_MAX).kind, DIAGNOSIS_FOREIGN);
	come_back(0, 1000);
	put_stream(4096, 1000, 0, SENT - 4096);
	assert_int_equal(diagnose_some(DIAGNOSIS_MAX).kind, DIAGNOSIS_FOREIGN);
}

TEST(bytes_that_only_others_have_got_as_far_as_were_not_sent)
{
	for (size_t of = 1; of <= 2; of++) {
		come_back(0, of);
		put_stream(2048, 0, 8192, 64);
		struct diagnosis_case given = {
			.seed = seed,
			.n_connections = of,
			.offset = 2048,
			.sent = 4096,
			.max_sent = SENT,
			.received = got + 2048,
			.n = 64,
		};
		assert_int_equal(diagnose(&given).kind, DIAGNOSIS_FOREIGN);
		given.sent = 8192 + 64;
		assert_int_equal(diagnose(&given).kind, DIAGNOSIS_LOST);
	}
}

/* ---- foreign ---- */

TEST(inserted_bytes_are_counted_and_shown)
{
	for (size_t w = 0; w < ARRAY_LEN(worlds); w++) {
		come_back(worlds[w].from, worlds[w].of);
		insert(4096, "hello ", 6);
		struct diagnosis diagnosis = diagnose_some(DIAGNOSIS_ENOUGH);
		assert_int_equal(diagnosis.kind, DIAGNOSIS_INSERTED);
		/* A byte that matches by chance moves the edge: none of these does. */
		assert_int_equal(diagnosis.n_bytes, 6);
		assert_int_equal(diagnosis.origin, 4096);
		assert_says(&diagnosis, "6 bytes were inserted before byte 4096: \"hello \"");
	}
}

TEST(a_foreign_word_that_was_put_in_is_counted)
{
	for (size_t w = 0; w < ARRAY_LEN(worlds); w++) {
		for (size_t n = 1; n <= 100; n++) {
			unsigned char foreign[100];
			come_back(worlds[w].from, worlds[w].of);
			for (size_t i = 0; i < n; i++)
				foreign[i] = (unsigned char)~got[4096 + i];
			insert(4096, foreign, n);
			struct diagnosis diagnosis = diagnose_some(DIAGNOSIS_MAX);
			assert_int_equal(diagnosis.kind, DIAGNOSIS_INSERTED);
			assert_int_equal(diagnosis.n_bytes, n);
			assert_int_equal(diagnosis.origin, 4096);
		}
	}
}

TEST(a_block_replaced_by_a_shorter_one_is_diagnosed)
{
	come_back(0, 1);
	drop(4096, 64);
	insert(4096, "gone!", 5);
	struct diagnosis diagnosis = diagnose_some(DIAGNOSIS_ENOUGH);
	assert_int_equal(diagnosis.kind, DIAGNOSIS_INSERTED);
	assert_int_equal(diagnosis.origin, 4160);
	assert_says(&diagnosis, "5 bytes were inserted before byte 4160, replacing 64: \"gone!\"");
}

/* Converts every newline of the returned bytes. */
static void convert_newlines(bool to_crlf)
{
	for (size_t at = 0; at + 1 < n_got; at++) {
		if (to_crlf && got[at] == '\n')
			insert(at++, "\r", 1);
		else if (!to_crlf && got[at] == '\r' && got[at + 1] == '\n')
			drop(at, 1);
	}
}

TEST(converted_line_ends_are_diagnosed)
{
	for (size_t w = 0; w < ARRAY_LEN(worlds); w++) {
		come_back(worlds[w].from, worlds[w].of);
		convert_newlines(true);
		struct diagnosis diagnosis = diagnose_some(DIAGNOSIS_MAX);
		assert_int_equal(diagnosis.kind, DIAGNOSIS_INSERTED);
		assert_int_equal(diagnosis.n_bytes, 1);
		assert_non_null(strstr(diagnosis.text, "\"^M\" (line ends were converted)"));
	}
}

TEST(line_ends_converted_the_other_way_are_diagnosed)
{
	/* Finds the first connection in which the two follow each other. */
	for (uint64_t from = 0; from < 1000; from++) {
		come_back(from, 1000);
		convert_newlines(false);
		if (n_got == SENT)
			continue;
		struct diagnosis diagnosis = diagnose_some(DIAGNOSIS_MAX);
		assert_int_equal(diagnosis.kind, DIAGNOSIS_LOST);
		assert_non_null(strstr(diagnosis.text, "1 byte is missing at"));
		assert_non_null(strstr(diagnosis.text, " (line ends were converted)"));
		return;
	}
	fail();
}

TEST(text_instead_of_an_echo_is_shown_escaped)
{
	come_back(3, 1000);
	static const char answer[] = "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n";
	memcpy(got, answer, strlen(answer));
	n_got = strlen(answer);
	struct diagnosis diagnosis = diagnose_some(DIAGNOSIS_MAX);
	assert_int_equal(diagnosis.kind, DIAGNOSIS_FOREIGN);
	assert_says(&diagnosis, "byte 0 was not sent by this client: "
				"got \"HTTP/1.1 400 Bad Request^M^JConnec...\"");
}

TEST(bytes_from_nowhere_are_foreign)
{
	come_back(0, 1);
	memset(got + 4096, 0, SENT - 4096);
	struct diagnosis diagnosis = diagnose_some(DIAGNOSIS_MAX);
	assert_int_equal(diagnosis.kind, DIAGNOSIS_FOREIGN);
	assert_non_null(
		strstr(diagnosis.text, "byte 4096 was not sent by this client: got hex 00 00"));
}

TEST(what_was_never_sent_is_surplus)
{
	for (size_t w = 0; w < ARRAY_LEN(worlds); w++) {
		come_back(worlds[w].from, worlds[w].of);
		insert(SENT, "\x01\x02", 2);
		struct diagnosis diagnosis = diagnose_some(DIAGNOSIS_MAX);
		assert_int_equal(diagnosis.kind, DIAGNOSIS_SURPLUS);
		assert_says(&diagnosis, "byte 16384 was never sent: got hex 01 02");
		assert_string_equal(diagnosis.expected.text, "");
		/* The next bytes of the stream were not sent yet, so they do not match either. */
		put_stream(SENT, worlds[w].from, SENT, 100);
		n_got = SENT + 100;
		assert_int_equal(diagnose_some(DIAGNOSIS_MAX).kind, DIAGNOSIS_SURPLUS);
	}
}

/* ---- at random ---- */

/* A private generator: the same series everywhere (Knuth's MMIX constants). */
static uint64_t random_state = 1;

static uint64_t random_below(uint64_t n)
{
	random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (random_state >> 16) % n;
}

/* Makes a fault at a random place; *ret_wanted is its name and size. */
static void make_a_mistake(struct diagnosis *ret_wanted)
{
	unsigned char bytes[300];
	size_t at = 1000 + random_below(8000), n = 1 + random_below(250);
	switch (random_below(5)) {
	case 0:
		got[at] ^= (unsigned char)(1u << random_below(8));
		*ret_wanted = (struct diagnosis){ .kind = DIAGNOSIS_FLIPPED, .n_bytes = 1 };
		return;
	case 1:
		drop(at, n);
		*ret_wanted = (struct diagnosis){ .kind = DIAGNOSIS_LOST, .n_bytes = n };
		return;
	case 2:
		memcpy(bytes, got + at - n, n);
		insert(at, bytes, n);
		*ret_wanted = (struct diagnosis){ .kind = DIAGNOSIS_REPEATED, .n_bytes = n };
		return;
	case 3:
		put_stream(at, (connection + 1 + random_below(998)) % 1000, random_below(9000),
			   300);
		*ret_wanted = (struct diagnosis){ .kind = DIAGNOSIS_STRAY };
		return;
	default:
		n = n % 200 + 1;
		for (size_t i = 0; i < n; i++)
			bytes[i] = (unsigned char)(0x80 | random_below(256));
		insert(at, bytes, n);
		*ret_wanted = (struct diagnosis){ .kind = DIAGNOSIS_INSERTED, .n_bytes = n };
	}
}

TEST(mistakes_are_called_by_their_names_whatever_seed_and_place)
{
	uint64_t usual = seed;
	for (unsigned int i = 0; i < 3000; i++) {
		struct diagnosis wanted;
		seed = random_below(UINT64_MAX);
		come_back(random_below(1000), 1000);
		make_a_mistake(&wanted);
		struct diagnosis diagnosis = diagnose_some(DIAGNOSIS_MAX);
		if (diagnosis.kind != wanted.kind ||
		    (wanted.n_bytes != 0 && diagnosis.n_bytes != wanted.n_bytes))
			fail_msg("mistake %u of %ju bytes: %s", wanted.kind,
				 (uintmax_t)wanted.n_bytes, diagnosis.text);
	}
	seed = usual;
}

/* ---- too little ---- */

TEST(one_byte_is_too_few_for_a_diagnosis)
{
	come_back(0, 1);
	unsigned char sent = got[8192];
	got[8192] ^= 0x41;
	struct diagnosis diagnosis = diagnose_some(1);
	char sentence[128];
	snprintf(sentence, sizeof(sentence),
		 "byte 8192 differs: sent 0x%02x, got 0x%02x (too few bytes to find the cause)",
		 sent, sent ^ 0x41u);
	assert_int_equal(diagnosis.kind, DIAGNOSIS_UNKNOWN);
	assert_says(&diagnosis, sentence);
	got[8192] ^= 0x40;
	assert_non_null(
		strstr(diagnose_some(1).text, "(one bit; too few bytes to find the cause)"));
}

TEST(few_bytes_are_never_called_by_a_wrong_name)
{
	for (size_t n = 1; n <= 64; n++) {
		come_back(7, 1000);
		drop(4096, 64);
		enum diagnosis_kind kind = diagnose_some(n).kind;
		assert_true(kind == DIAGNOSIS_LOST || (n < 15 && kind == DIAGNOSIS_UNKNOWN));
		come_back(7, 1000);
		put_stream(4096, 8, 512, 4096);
		kind = diagnose_some(n).kind;
		assert_true(kind == DIAGNOSIS_STRAY || (n < 15 && kind == DIAGNOSIS_UNKNOWN));
	}
}

TEST(expected_and_received_bytes_are_shown_as_hex)
{
	come_back(0, 1);
	struct snippet sent = snippet_hex(got + 100, 20);
	got[100] ^= 1;
	struct diagnosis diagnosis = diagnose_some(20);
	assert_string_equal(diagnosis.expected.text, sent.text);
	assert_string_equal(diagnosis.received.text, snippet_hex(got + 100, 20).text);
}

static void diagnose_nothing(const void *argument)
{
	(void)argument;
	diagnose(&(struct diagnosis_case){ .n_connections = 1 });
}

TEST(nothing_to_diagnose_is_a_bug_of_the_caller)
{
	unit_child_dies_of(SIGABRT, diagnose_nothing, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_flipped_bit_is_named_wherever_it_is),
		cmocka_unit_test(five_bytes_are_enough_for_a_flipped_bit),
		cmocka_unit_test(a_foreign_word_in_place_differs_from_a_moved_one),
		cmocka_unit_test(bytes_changed_by_a_rule_are_diagnosed),
		cmocka_unit_test(lost_bytes_are_counted),
		cmocka_unit_test(the_sentence_for_lost_bytes_says_how_many_and_where),
		cmocka_unit_test(repeated_bytes_are_counted),
		cmocka_unit_test(an_old_block_in_place_of_a_new_one_is_diagnosed),
		cmocka_unit_test(what_comes_twice_at_the_end_is_repeated_and_no_surplus),
		cmocka_unit_test(doubled_0xff_is_telnet),
		cmocka_unit_test(a_swap_of_two_connections_names_the_other_and_its_offset),
		cmocka_unit_test(the_sentence_for_a_swap_names_both_places),
		cmocka_unit_test(bytes_not_sent_yet_are_not_misplaced),
		cmocka_unit_test(bytes_that_only_others_have_got_as_far_as_were_not_sent),
		cmocka_unit_test(inserted_bytes_are_counted_and_shown),
		cmocka_unit_test(a_foreign_word_that_was_put_in_is_counted),
		cmocka_unit_test(a_block_replaced_by_a_shorter_one_is_diagnosed),
		cmocka_unit_test(converted_line_ends_are_diagnosed),
		cmocka_unit_test(line_ends_converted_the_other_way_are_diagnosed),
		cmocka_unit_test(text_instead_of_an_echo_is_shown_escaped),
		cmocka_unit_test(bytes_from_nowhere_are_foreign),
		cmocka_unit_test(what_was_never_sent_is_surplus),
		cmocka_unit_test(mistakes_are_called_by_their_names_whatever_seed_and_place),
		cmocka_unit_test(one_byte_is_too_few_for_a_diagnosis),
		cmocka_unit_test(few_bytes_are_never_called_by_a_wrong_name),
		cmocka_unit_test(expected_and_received_bytes_are_shown_as_hex),
		cmocka_unit_test(nothing_to_diagnose_is_a_bug_of_the_caller),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/*
 * Every code has a name and a complete sentence in the form of our messages, and every sentence
 * fits after "cannot ...: ".
 */
#include "base/err.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "unit.h"

/* The last errno of Linux: the loops end with it. */
#define LAST_ERRNO EHWPOISON

static const struct {
	int code;
	const char *name;
	const char *sentence;
} own[] = {
#define X(name, number, sentence) { name, #name, sentence },
	ERR_LIST(X)
#undef X
};

TEST(every_own_code_has_its_name_and_its_whole_sentence)
{
	for (size_t i = 0; i < ARRAY_LEN(own); i++) {
		assert_string_equal(err_name(own[i].code), own[i].name);
		assert_string_equal(err_text(own[i].code).text, own[i].sentence);
	}
}

TEST(own_codes_stay_clear_of_errno_and_of_each_other)
{
	for (size_t i = 0; i < ARRAY_LEN(own); i++) {
		assert_true(own[i].code < -4095);
		for (size_t j = 0; j < i; j++)
			assert_int_not_equal(own[i].code, own[j].code);
	}
}

TEST(a_shortage_is_one_of_the_kernels_memory_and_no_limit_of_ours)
{
	assert_true(err_is_shortage(-ENOMEM));
	assert_true(err_is_shortage(-ENOBUFS));
	assert_true(err_is_shortage(ERR_NO_WATCHES));
	assert_false(err_is_shortage(-EMFILE));
	assert_false(err_is_shortage(-EAGAIN));
	assert_false(err_is_shortage(0));
}

static void assert_continues_a_sentence(const char *text)
{
	size_t n = strlen(text);
	assert_true(n > 0 && n < ERR_TEXT_SIZE - 1);
	assert_int_not_equal(text[n - 1], '.');
	/* A capital only where the text begins with a name in capitals. */
	if (isupper((unsigned char)text[0]))
		assert_false(islower((unsigned char)text[1]));
}

TEST(every_sentence_is_lower_case_whole_and_without_a_full_stop)
{
	for (size_t i = 0; i < ARRAY_LEN(own); i++)
		assert_continues_a_sentence(err_text(own[i].code).text);
	for (int error = 1; error <= LAST_ERRNO; error++)
		assert_continues_a_sentence(err_text(-error).text);
}

TEST(errno_sentences_are_those_of_the_c_library_in_lower_case)
{
	assert_string_equal(err_text(-ECONNREFUSED).text, "connection refused");
	assert_string_equal(err_text(-EADDRINUSE).text, "address already in use");
	assert_string_equal(err_text(-EACCES).text, "permission denied");
	assert_string_equal(err_text(-EMFILE).text, "too many open files");
	assert_string_equal(err_text(-EDOTDOT).text, "RFS specific error");
	for (int error = 1; error <= LAST_ERRNO; error++) {
		const char *theirs = strerrordesc_np(error);
		if (theirs != NULL)
			assert_int_equal(strcasecmp(err_text(-error).text, theirs), 0);
	}
}

TEST(errno_names_are_their_symbols)
{
	assert_string_equal(err_name(-ECONNRESET), "ECONNRESET");
	assert_string_equal(err_name(-EAGAIN), "EAGAIN");
	assert_string_equal(err_name(-ENOSR), "ENOSR");
	assert_string_equal(err_name(-LAST_ERRNO), "EHWPOISON");
}

TEST(an_unknown_code_is_shown_by_its_number)
{
	assert_string_equal(err_text(-4095).text, "error 4095");
	assert_string_equal(err_text(-5999).text, "error 5999");
	assert_string_equal(err_name(-4095), "?");
	assert_string_equal(err_name(-5999), "?");
}

TEST(what_is_no_error_has_no_name)
{
	assert_string_equal(err_name(0), "?");
	assert_string_equal(err_name(5), "?");
}

TEST(a_shortage_has_a_remedy_that_follows_its_sentence)
{
	static const int shortages[] = { -EMFILE, -ENFILE, -ENOMEM, -ENOBUFS };
	for (size_t i = 0; i < ARRAY_LEN(shortages); i++) {
		const char *remedy = err_remedy(shortages[i]);
		assert_memory_equal(remedy, " (", 2);
		assert_int_equal(remedy[strlen(remedy) - 1], ')');
	}
	assert_string_equal(err_remedy(-EINVAL), "");
	assert_string_equal(err_remedy(ERR_BAD_PORT), "");
	assert_string_equal(err_remedy(0), "");
}

TEST(a_local_code_is_known_by_its_name_too)
{
	assert_true(err_is_local(-EMFILE) && err_is_local(ERR_FOREIGN_SOURCE));
	assert_false(err_is_local(-ECONNREFUSED) || err_is_local(ERR_FORBIDDEN));
	assert_false(err_is_local(0));
	assert_int_equal(err_local_code("EADDRNOTAVAIL"), -EADDRNOTAVAIL);
	assert_int_equal(err_local_code("ERR_NO_SOURCE"), ERR_NO_SOURCE);
	assert_int_equal(err_local_code("ECONNRESET"), 0);
	assert_int_equal(err_local_code("no_reply"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_own_code_has_its_name_and_its_whole_sentence),
		cmocka_unit_test(own_codes_stay_clear_of_errno_and_of_each_other),
		cmocka_unit_test(a_shortage_is_one_of_the_kernels_memory_and_no_limit_of_ours),
		cmocka_unit_test(every_sentence_is_lower_case_whole_and_without_a_full_stop),
		cmocka_unit_test(errno_sentences_are_those_of_the_c_library_in_lower_case),
		cmocka_unit_test(errno_names_are_their_symbols),
		cmocka_unit_test(an_unknown_code_is_shown_by_its_number),
		cmocka_unit_test(what_is_no_error_has_no_name),
		cmocka_unit_test(a_shortage_has_a_remedy_that_follows_its_sentence),
		cmocka_unit_test(a_local_code_is_known_by_its_name_too),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

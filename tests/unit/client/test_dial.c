/* SPDX-License-Identifier: MIT */
/*
 * How long each address may take, which of several failures is told, and what is this machine's.
 * Names and connections are made up.
 */
#include "client/dial.h"

#include <errno.h>
#include <poll.h>

#include "base/err.h"
#include "unit.h"

/* What the look-up finds, what each address says, and what it was given. */
static int n_addresses;
static int outcomes[ADDR_MAX_RESOLVED];
static uint64_t deadlines_ns[ADDR_MAX_RESOLVED];
static const struct addr *source_given;
static int n_tried;

int __wrap_addr_resolve(const struct addr_spec *spec, int family, struct addr *ret_list);
int __wrap_connect_open(const struct addr *addr, const struct addr *source, uint64_t deadline_ns);

int __wrap_addr_resolve(const struct addr_spec *spec, int family, struct addr *ret_list)
{
	(void)spec;
	assert_int_equal(family, AF_UNSPEC);
	for (int i = 0; i < n_addresses; i++)
		ret_list[i] = addr_wildcard(AF_INET, (uint16_t)(i + 1));
	return n_addresses;
}

int __wrap_connect_open(const struct addr *addr, const struct addr *source, uint64_t deadline_ns)
{
	assert_int_equal(addr_port(addr), n_tried + 1);
	source_given = source;
	deadlines_ns[n_tried] = deadline_ns;
	return outcomes[n_tried++];
}

static const struct addr_spec server = { .kind = ADDR_HOST, .port = 7, .host = "echo" };

static struct dialed dial_with(uint64_t timeout_ns, int n, const int *codes)
{
	const struct dial_request request = { .server = &server, .timeout_ns = timeout_ns };
	n_tried = 0;
	n_addresses = n;
	for (int i = 0; i < n; i++)
		outcomes[i] = codes[i];
	return dial(&request);
}

static void assert_lasts(int i, uint64_t since_ns, uint64_t share_ns)
{
	assert_true(deadlines_ns[i] >= since_ns + share_ns);
	assert_true(deadlines_ns[i] <= clock_now_ns() + share_ns);
}

/* ---- time ---- */

static const int refused[] = { -ECONNREFUSED, -ECONNREFUSED, -ECONNREFUSED };

TEST(a_timeout_is_shared_by_the_addresses)
{
	uint64_t since_ns = clock_now_ns();
	dial_with(300 * CLOCK_NS_PER_S, 3, refused);
	assert_int_equal(n_tried, 3);
	assert_lasts(0, since_ns, 100 * CLOCK_NS_PER_S);
	assert_true(deadlines_ns[1] >= since_ns + 150 * CLOCK_NS_PER_S); /* the first took none */
	assert_true(deadlines_ns[2] >= since_ns + 300 * CLOCK_NS_PER_S);
}

TEST(without_a_timeout_each_address_has_the_usual_one)
{
	uint64_t since_ns = clock_now_ns();
	dial_with(0, 2, refused);
	assert_lasts(0, since_ns, DIAL_TIMEOUT_NS);
	assert_lasts(1, since_ns, DIAL_TIMEOUT_NS);
}

TEST(with_an_endless_timeout_the_last_address_has_a_long_one)
{
	uint64_t since_ns = clock_now_ns();
	dial_with(CLOCK_NEVER, 2, refused);
	assert_lasts(0, since_ns, DIAL_TIMEOUT_NS);
	assert_lasts(1, since_ns, DIAL_LONGEST_NS);
	dial_with(CLOCK_NEVER, 1, refused);
	assert_lasts(0, since_ns, DIAL_LONGEST_NS);
}

/* ---- what is told ---- */

TEST(the_first_address_that_answers_is_it)
{
	static const int codes[] = { -ECONNREFUSED, 42, -ETIMEDOUT };
	struct dialed dialed = dial_with(0, 3, codes);
	assert_int_equal(n_tried, 2);
	assert_int_equal(dialed.fd, 42);
	assert_int_equal(addr_port(&dialed.addr), 2);
}

TEST(a_failed_look_up_is_the_outcome)
{
	assert_int_equal(dial_with(0, ERR_NO_SUCH_HOST, NULL).fd, ERR_NO_SUCH_HOST);
	assert_int_equal(n_tried, 0);
}

TEST(a_family_that_cannot_be_used_hides_no_other_failure)
{
	static const struct {
		int codes[3];
		int told;
	} cases[] = {
		{ { -ECONNREFUSED, -ENETUNREACH, ERR_NO_SOURCE }, -ECONNREFUSED },
		{ { -EAFNOSUPPORT, -ETIMEDOUT, -ENETUNREACH }, -ETIMEDOUT },
		{ { -ETIMEDOUT, -ECONNREFUSED, -ENETUNREACH }, -ECONNREFUSED },
		{ { ERR_NO_SOURCE, -EADDRNOTAVAIL, -ENETUNREACH }, -EADDRNOTAVAIL },
		{ { -EAFNOSUPPORT, ERR_NO_SOURCE, -ENETUNREACH }, -ENETUNREACH },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_int_equal(dial_with(0, 3, cases[i].codes).fd, cases[i].told);
}

/* ---- in a thread ---- */

TEST(a_thread_dials_with_copies_of_the_request)
{
	struct addr_spec spec = server;
	struct addr source = addr_wildcard(AF_INET, 0);
	const struct dial_request request = { .server = &spec, .source = &source };
	struct dialing *dialing;
	size_t before = unit_open_descriptors();
	n_tried = 0;
	n_addresses = 1;
	outcomes[0] = -ECONNREFUSED;
	assert_int_equal(dial_begin(&request, &dialing), 0);
	struct pollfd done = { .fd = dialing->done_fd, .events = POLLIN };
	assert_int_equal(poll(&done, 1, UNIT_PATIENCE_S * 1000), 1);
	assert_true(source_given != NULL && source_given != &source);
	assert_true(dialing->request.server != &spec);
	assert_int_equal(dial_end(dialing).fd, -ECONNREFUSED);
	assert_int_equal(unit_open_descriptors(), before);
}

/* ---- the machine's limit ---- */

static int limit_of(const char *a, const char *b)
{
	struct result result = { 0 };
	if (a != NULL)
		result_fail(&result, a, 1);
	if (b != NULL)
		result_fail(&result, b, 1);
	return dial_limit(&result);
}

TEST(this_machine_is_the_limit_if_all_that_failed_failed_for_it)
{
	assert_int_equal(limit_of(NULL, NULL), 0);
	assert_int_equal(limit_of("EADDRNOTAVAIL", NULL), -EADDRNOTAVAIL);
	assert_int_equal(limit_of("EADDRNOTAVAIL", "EMFILE"), -EMFILE);
	assert_int_equal(limit_of("EADDRNOTAVAIL", "ECONNRESET"), 0);
	assert_int_equal(limit_of("no_reply", "EMFILE"), 0);
	assert_int_equal(limit_of("mismatch", NULL), 0);
}

TEST(each_limit_of_this_machine_has_a_remedy)
{
	static const int codes[] = { -EAGAIN, -EMFILE, -ENFILE,        -ENOBUFS,     -ENOMEM,
				     -EACCES, -EPERM,  -EADDRNOTAVAIL, -EAFNOSUPPORT };
	for (size_t i = 0; i < ARRAY_LEN(codes); i++) {
		assert_true(err_is_local(codes[i]));
		assert_int_equal(dial_remedy(codes[i])[0], ' ');
	}
	assert_string_equal(dial_remedy(-ECONNRESET), "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_timeout_is_shared_by_the_addresses),
		cmocka_unit_test(without_a_timeout_each_address_has_the_usual_one),
		cmocka_unit_test(with_an_endless_timeout_the_last_address_has_a_long_one),
		cmocka_unit_test(the_first_address_that_answers_is_it),
		cmocka_unit_test(a_failed_look_up_is_the_outcome),
		cmocka_unit_test(a_family_that_cannot_be_used_hides_no_other_failure),
		cmocka_unit_test(a_thread_dials_with_copies_of_the_request),
		cmocka_unit_test(this_machine_is_the_limit_if_all_that_failed_failed_for_it),
		cmocka_unit_test(each_limit_of_this_machine_has_a_remedy),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/*
 * The order and time limits of address attempts, which of several failures is reported, and which
 * failures are local. Names, connections and the clock are simulated.
 */
#include "client/dial.h"

#include <errno.h>
#include <poll.h>

#include "base/err.h"
#include "net/connect.h"
#include "net/io.h"
#include "unit.h"

#define MS CLOCK_NS_PER_MS
#define S  CLOCK_NS_PER_S

/* Result of a connection attempt: a code, and the time it takes. */
struct outcome {
	int code;         /* 0: connected */
	bool is_at_once;  /* connect(2) itself fails with this code */
	uint64_t took_ns; /* 0: immediately; CLOCK_NEVER: no answer */
};

/* Descriptors of simulated attempts start at this number. */
#define FIRST_FD 100000

static int n_addresses;
static struct addr addresses[ADDR_MAX_RESOLVED];
/* indexed by the port of an address, from 1 on */
static struct outcome outcomes[ADDR_MAX_RESOLVED];
static const struct addr *source_given;
static int n_tried;
static uint16_t ports_tried[ADDR_MAX_RESOLVED];
static uint64_t begun_ns[ADDR_MAX_RESOLVED], now_ns;
static uint64_t unix_deadline_ns;
static uint64_t stop_ns; /* time for which the process is stopped in its next wait */

int __wrap_addr_resolve(const struct addr_spec *spec, int family, struct addr *ret_list);
uint64_t __wrap_clock_now_ns(void);
int __wrap_connect_begin(const struct addr *addr, const struct addr *source);
int __wrap_connect_outcome(int fd);
int __wrap_connect_open(const struct addr *addr, const struct addr *source, uint64_t deadline_ns);
int __real_io_wait(struct pollfd *fds, size_t n, uint64_t deadline_ns);
int __wrap_io_wait(struct pollfd *fds, size_t n, uint64_t deadline_ns);

int __wrap_addr_resolve(const struct addr_spec *spec, int family, struct addr *ret_list)
{
	(void)spec;
	assert_int_equal(family, AF_UNSPEC);
	for (int i = 0; i < n_addresses; i++)
		ret_list[i] = addresses[i];
	return n_addresses;
}

uint64_t __wrap_clock_now_ns(void)
{
	return now_ns;
}

int __wrap_connect_begin(const struct addr *addr, const struct addr *source)
{
	const struct outcome *outcome = &outcomes[addr_port(addr) - 1];
	source_given = source;
	ports_tried[n_tried] = addr_port(addr);
	begun_ns[n_tried++] = now_ns;
	return outcome->is_at_once ? outcome->code : FIRST_FD + n_tried - 1;
}

int __wrap_connect_outcome(int fd)
{
	return outcomes[ports_tried[fd - FIRST_FD] - 1].code;
}

int __wrap_connect_open(const struct addr *addr, const struct addr *source, uint64_t deadline_ns)
{
	(void)addr;
	(void)source;
	unix_deadline_ns = deadline_ns;
	return -ENOENT;
}

static uint64_t ends_ns(const struct pollfd *fd)
{
	int i = fd->fd - FIRST_FD;
	return fd->fd < 0 ? CLOCK_NEVER
			  : clock_after_ns(begun_ns[i], outcomes[ports_tried[i] - 1].took_ns);
}

/* Advances the clock to the first outcome, or to the deadline. */
int __wrap_io_wait(struct pollfd *fds, size_t n, uint64_t deadline_ns)
{
	if (n > 0 && fds[0].fd >= 0 && fds[0].fd < FIRST_FD)
		return __real_io_wait(fds, n, deadline_ns);
	uint64_t until_ns = deadline_ns;
	int ready = 0;
	for (size_t i = 0; i < n; i++)
		until_ns = clock_earlier_ns(until_ns, ends_ns(&fds[i]));
	now_ns = (until_ns > now_ns ? until_ns : now_ns) + stop_ns;
	stop_ns = 0;
	for (size_t i = 0; i < n; i++) {
		fds[i].revents = ends_ns(&fds[i]) <= now_ns ? POLLOUT : 0;
		ready += fds[i].revents != 0;
	}
	return ready;
}

static const struct addr_spec server = { .kind = ADDR_HOST, .port = 7, .host = "echo" };

/* Sets IPv4 addresses with the ports 1 to n. */
static void set_addresses(int n)
{
	n_addresses = n;
	for (int i = 0; i < n; i++)
		addresses[i] = addr_wildcard(AF_INET, (uint16_t)(i + 1));
}

/* Dials those addresses at the time 1000 s. */
static struct dialed dial_with(uint64_t timeout_ns, const struct outcome *each)
{
	const struct dial_request request = { .server = &server, .timeout_ns = timeout_ns };
	n_tried = 0;
	now_ns = 1000 * S;
	for (int i = 0; i < n_addresses; i++)
		outcomes[i] = each[i];
	return dial(&request);
}

static uint64_t since_begin_ns(uint64_t moment_ns)
{
	return moment_ns - 1000 * S;
}

#define ANSWERS(ns)             \
	{                       \
		.took_ns = (ns) \
	}
#define REFUSES(ns)                                    \
	{                                              \
		.code = -ECONNREFUSED, .took_ns = (ns) \
	}
#define DEAD                           \
	{                              \
		.took_ns = CLOCK_NEVER \
	}

/* ---- time ---- */

TEST(a_dead_address_costs_a_quarter_of_a_second)
{
	static const struct outcome each[] = { DEAD, DEAD, ANSWERS(3 * MS) };
	set_addresses(3);
	struct dialed dialed = dial_with(5 * S, each);
	assert_int_equal(addr_port(&dialed.addr), 3);
	assert_int_equal(dialed.took_ns, 3 * MS);
	assert_int_equal(since_begin_ns(now_ns), 2 * DIAL_ATTEMPT_DELAY_NS + 3 * MS);
}

TEST(after_a_failure_the_next_address_is_tried_at_once)
{
	static const struct outcome each[] = { REFUSES(2 * MS), DEAD, REFUSES(1 * MS), ANSWERS(0) };
	set_addresses(4);
	struct dialed dialed = dial_with(5 * S, each);
	assert_int_equal(addr_port(&dialed.addr), 4);
	assert_int_equal(since_begin_ns(begun_ns[1]), 2 * MS);
	assert_int_equal(since_begin_ns(begun_ns[3]), 2 * MS + DIAL_ATTEMPT_DELAY_NS + 1 * MS);
}

TEST(a_slow_address_may_still_win)
{
	static const struct outcome each[] = { ANSWERS(600 * MS), DEAD, DEAD };
	set_addresses(3);
	struct dialed dialed = dial_with(5 * S, each);
	assert_int_equal(addr_port(&dialed.addr), 1);
	assert_int_equal(dialed.took_ns, 600 * MS);
	assert_int_equal(n_tried, 3);
}

TEST(an_address_that_is_being_tried_already_is_left_out)
{
	struct addr first = addr_wildcard(AF_INET, 1);
	const struct dial_request request = { .server = &server, .except = &first };
	set_addresses(2);
	n_tried = 0;
	now_ns = 1000 * S;
	outcomes[1] = (struct outcome)ANSWERS(0);
	struct dialed dialed = dial(&request);
	assert_int_equal(addr_port(&dialed.addr), 2);
	assert_int_equal(n_tried, 1);
	set_addresses(1);
	assert_int_equal(dial(&request).fd, -EALREADY);
	assert_int_equal(n_tried, 1);
}

TEST(the_families_take_turns)
{
	static const struct outcome each[] = { DEAD, DEAD, DEAD, DEAD, ANSWERS(1 * MS) };
	set_addresses(5);
	for (int i = 0; i < 3; i++)
		addresses[i] = addr_wildcard(AF_INET6, (uint16_t)(i + 1));
	dial_with(5 * S, each);
	static const uint16_t order[] = { 1, 4, 2, 5 };
	assert_memory_equal(ports_tried, order, sizeof(order));
}

TEST(a_timeout_is_for_all_addresses_together)
{
	static const struct outcome each[] = { DEAD, DEAD, DEAD };
	set_addresses(3);
	assert_int_equal(dial_with(2 * S, each).fd, -ETIMEDOUT);
	assert_int_equal(n_tried, 3);
	assert_int_equal(since_begin_ns(now_ns), 2 * S);
}

TEST(without_a_timeout_each_address_has_the_usual_one)
{
	static const struct outcome each[] = { DEAD, DEAD };
	set_addresses(2);
	assert_int_equal(dial_with(0, each).fd, -ETIMEDOUT);
	assert_int_equal(since_begin_ns(now_ns), DIAL_ATTEMPT_DELAY_NS + DIAL_TIMEOUT_NS);
}

TEST(with_an_endless_timeout_each_address_has_a_long_one)
{
	static const struct outcome each[] = { DEAD };
	set_addresses(1);
	assert_int_equal(dial_with(CLOCK_NEVER, each).fd, -ETIMEDOUT);
	assert_int_equal(since_begin_ns(now_ns), DIAL_LONGEST_NS);
}

TEST(each_address_is_tried_though_the_process_was_stopped_past_the_end)
{
	static const struct outcome each[] = { DEAD, ANSWERS(100 * MS) };
	set_addresses(2);
	stop_ns = 60 * S;
	struct dialed dialed = dial_with(2 * S, each);
	assert_int_equal(addr_port(&dialed.addr), 2);
	stop_ns = 60 * S;
	static const struct outcome late[] = { ANSWERS(100 * MS) };
	set_addresses(1);
	assert_true(dial_with(2 * S, late).fd >= 0); /* it has answered in the meantime */
}

TEST(a_unix_socket_has_the_same_timeouts)
{
	static const struct outcome each[] = { DEAD };
	set_addresses(1);
	addresses[0] = (struct addr){ .len = sizeof(struct sockaddr_un) };
	addresses[0].any.sa_family = AF_UNIX;
	assert_int_equal(dial_with(3 * S, each).fd, -ENOENT);
	assert_int_equal(since_begin_ns(unix_deadline_ns), 3 * S);
	dial_with(0, each);
	assert_int_equal(since_begin_ns(unix_deadline_ns), DIAL_TIMEOUT_NS);
	dial_with(CLOCK_NEVER, each);
	assert_int_equal(since_begin_ns(unix_deadline_ns), DIAL_LONGEST_NS);
}

/* ---- the reported result ---- */

TEST(the_first_address_that_answers_is_it)
{
	static const struct outcome each[] = { REFUSES(0), ANSWERS(0), REFUSES(0) };
	set_addresses(3);
	struct dialed dialed = dial_with(0, each);
	assert_int_equal(n_tried, 2);
	assert_int_equal(dialed.fd, FIRST_FD + 1);
	assert_int_equal(addr_port(&dialed.addr), 2);
}

TEST(a_failed_look_up_is_the_outcome)
{
	n_addresses = ERR_NO_SUCH_HOST;
	assert_int_equal(dial_with(0, NULL).fd, ERR_NO_SUCH_HOST);
	assert_int_equal(n_tried, 0);
}

TEST(a_family_that_cannot_be_used_hides_no_other_failure)
{
	static const struct {
		int codes[3];
		int expected;
	} cases[] = {
		{ { -ECONNREFUSED, -ENETUNREACH, ERR_NO_SOURCE }, -ECONNREFUSED },
		{ { -EAFNOSUPPORT, -ETIMEDOUT, -ENETUNREACH }, -ETIMEDOUT },
		{ { -ETIMEDOUT, -ECONNREFUSED, -ENETUNREACH }, -ECONNREFUSED },
		{ { ERR_NO_SOURCE, -EADDRNOTAVAIL, -ENETUNREACH }, -EADDRNOTAVAIL },
		{ { -EAFNOSUPPORT, ERR_NO_SOURCE, -ENETUNREACH }, -ENETUNREACH },
	};
	set_addresses(3);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct outcome each[3];
		for (int k = 0; k < 3; k++)
			each[k] = (struct outcome){ .code = cases[i].codes[k], .is_at_once = true };
		assert_int_equal(dial_with(0, each).fd, cases[i].expected);
	}
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
	set_addresses(1);
	outcomes[0] = (struct outcome)REFUSES(0);
	assert_int_equal(dial_begin(&request, &dialing), 0);
	struct pollfd done = { .fd = dialing->done_fd, .events = POLLIN };
	assert_int_equal(poll(&done, 1, UNIT_TIMEOUT_S * 1000), 1);
	assert_true(source_given != NULL && source_given != &source);
	assert_true(dialing->request.server != &spec);
	assert_int_equal(dial_end(dialing).fd, -ECONNREFUSED);
	assert_int_equal(unit_open_descriptors(), before);
}

TEST(an_abandoned_one_leaves_nothing_behind)
{
	const struct dial_request request = { .server = &server };
	size_t before = unit_open_descriptors();
	set_addresses(1);
	for (int is_done = 0; is_done < 2; is_done++) {
		struct dialing *dialing;
		n_tried = 0;
		outcomes[0] = (struct outcome)REFUSES(0);
		assert_int_equal(dial_begin(&request, &dialing), 0);
		struct pollfd done = { .fd = dialing->done_fd, .events = POLLIN };
		if (is_done)
			assert_int_equal(poll(&done, 1, UNIT_TIMEOUT_S * 1000), 1);
		dial_abandon(dialing);
		for (int i = 0; i < UNIT_TIMEOUT_S * 100 && unit_open_descriptors() > before; i++)
			poll(NULL, 0, 10);
		assert_int_equal(unit_open_descriptors(), before);
	}
}

/* ---- limits of this machine ---- */

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
		cmocka_unit_test(a_dead_address_costs_a_quarter_of_a_second),
		cmocka_unit_test(after_a_failure_the_next_address_is_tried_at_once),
		cmocka_unit_test(a_slow_address_may_still_win),
		cmocka_unit_test(an_address_that_is_being_tried_already_is_left_out),
		cmocka_unit_test(the_families_take_turns),
		cmocka_unit_test(a_timeout_is_for_all_addresses_together),
		cmocka_unit_test(without_a_timeout_each_address_has_the_usual_one),
		cmocka_unit_test(with_an_endless_timeout_each_address_has_a_long_one),
		cmocka_unit_test(each_address_is_tried_though_the_process_was_stopped_past_the_end),
		cmocka_unit_test(a_unix_socket_has_the_same_timeouts),
		cmocka_unit_test(the_first_address_that_answers_is_it),
		cmocka_unit_test(a_failed_look_up_is_the_outcome),
		cmocka_unit_test(a_family_that_cannot_be_used_hides_no_other_failure),
		cmocka_unit_test(a_thread_dials_with_copies_of_the_request),
		cmocka_unit_test(an_abandoned_one_leaves_nothing_behind),
		cmocka_unit_test(this_machine_is_the_limit_if_all_that_failed_failed_for_it),
		cmocka_unit_test(each_limit_of_this_machine_has_a_remedy),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

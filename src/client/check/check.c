/* SPDX-License-Identifier: MIT */
#include "client/check/check.h"

#include <assert.h>
#include <string.h>

#include "base/clock.h"
#include "client/check/checks.h"

#define S CLOCK_NS_PER_S

/* The time of a whole check; a slow one has the time of --idle in addition. */
#define QUICK  (10 * S)
#define NORMAL (30 * S)
#define SLOW   (60 * S)
#define DAY    (86400 * S)

#define TOGETHER 0
#define ALONE    CHECK_ALONE
#define TCP      CHECK_TCP_ONLY
#define PROCESS  (CHECK_ALONE | CHECK_PROCESS)

const struct check checks[] = {
	{ "echo", CHECK_QUICK, TOGETHER, QUICK, "does every byte value come back?", check_echo },
	{ "backend", CHECK_QUICK, TOGETHER, QUICK, "does what accepts a connection also echo?",
	  check_backend },
	{ "silence", CHECK_QUICK, TOGETHER, QUICK, "does it keep silent until the client has sent?",
	  check_silence },
	{ "first-byte", CHECK_QUICK, TOGETHER, QUICK + 5 * S,
	  "is the first byte as fast as the others?", check_first_byte },
	{ "sizes", CHECK_QUICK, TOGETHER, QUICK, "do messages of every size come back?",
	  check_sizes },
	{ "trickle", CHECK_QUICK, TOGETHER, QUICK, "do bytes come back that are sent one by one?",
	  check_trickle },
	{ "half-close", CHECK_QUICK, TOGETHER, QUICK,
	  "does everything come back after the client's FIN?", check_half_close },
	{ "fin-only", CHECK_QUICK, TOGETHER, QUICK, "does a FIN without bytes get a FIN?",
	  check_fin_only },
	{ "fin-with-data", CHECK_QUICK, TOGETHER, QUICK,
	  "do bytes come back that are sent together with a FIN?", check_fin_with_data },
	{ "ends-with-fin", CHECK_QUICK, TOGETHER, QUICK,
	  "does a connection that was read whole end with a FIN?", check_ends_with_fin },
	{ "urgent", CHECK_QUICK, TCP, QUICK, "does urgent data stay in its place?", check_urgent },
	{ "port-reuse", CHECK_QUICK, TCP, QUICK, "can a port be used again after a reset?",
	  check_port_reuse },
	{ "addresses", CHECK_QUICK, TOGETHER, QUICK, "does every address of the name echo?",
	  check_addresses },
	{ "options", CHECK_QUICK, TCP, QUICK, "which TCP options were negotiated?", check_options },
	{ "mptcp", CHECK_QUICK, TCP, QUICK, "does a connection with MPTCP work?", check_mptcp },
	{ "fastopen", CHECK_QUICK, TCP, QUICK, "does data in a SYN do no harm?", check_fastopen },
	{ "self", CHECK_QUICK, TOGETHER, QUICK, "is the other end another socket?", check_self },
	{ "small-writes", CHECK_QUICK, ALONE, QUICK, "are small writes echoed without a delay?",
	  check_small_writes },
	{ "lock-step", CHECK_QUICK, ALONE, QUICK, "are round trips equally fast?",
	  check_lock_step },
	{ "terminated", CHECK_QUICK, ALONE | TCP, QUICK,
	  "is the endpoint as near as the other kernel?", check_terminated },
	{ "pipeline", CHECK_NORMAL, TOGETHER, NORMAL, "do both directions flow at once?",
	  check_pipeline },
	{ "half-close-late", CHECK_NORMAL, TOGETHER, NORMAL,
	  "does everything come back when it is read 5 s after the FIN?", check_half_close_late },
	{ "tail", CHECK_NORMAL, TOGETHER, NORMAL,
	  "do the last bytes come back when they are read slowly?", check_tail },
	{ "second-client", CHECK_QUICK, TOGETHER, QUICK,
	  "is a client served while another one is idle?", check_second_client },
	{ "cross-talk", CHECK_NORMAL, TOGETHER, NORMAL, "do connections get their own bytes only?",
	  check_cross_talk },
	{ "slow-reader", CHECK_NORMAL, TOGETHER, NORMAL,
	  "does a client that does not read meet back-pressure?", check_slow_reader },
	{ "zero-window", CHECK_NORMAL, TOGETHER, NORMAL,
	  "does a stream go on after its window was closed?", check_zero_window },
	{ "mtu", CHECK_NORMAL, TCP, NORMAL, "do packets of every size pass?", check_mtu },
	{ "source-ports", CHECK_NORMAL, TCP, NORMAL, "do connections from every port work?",
	  check_source_ports },
	{ "isolation", CHECK_NORMAL, ALONE, NORMAL,
	  "are clients served beside one that does not read?", check_isolation },
	{ "connect", CHECK_NORMAL, ALONE, NORMAL, "is every SYN answered?", check_connect },
	{ "abort", CHECK_NORMAL, ALONE, NORMAL,
	  "is it well after resets in the middle of transfers?", check_abort },
	{ "scan", CHECK_NORMAL, ALONE, NORMAL, "is it well after a port scan?", check_scan },
	{ "idle", CHECK_SLOW, TOGETHER, SLOW, "how long may a connection be idle?", check_idle },
	{ "idle-keepalive", CHECK_SLOW, TOGETHER, SLOW,
	  "do keep-alive probes keep an idle connection alive?", check_idle_keepalive },
	{ "idle-half-closed", CHECK_SLOW, TOGETHER, SLOW,
	  "how long may a connection be half-closed?", check_idle_half_closed },
	{ "hold", CHECK_SLOW, TOGETHER, SLOW, "how long may a connection live?", check_lifetime },
	{ "storm", CHECK_RUDE, ALONE, NORMAL, "are 500 connections served at once?", check_storm },
	{ "limit", CHECK_RUDE, ALONE, 4 * NORMAL, "how many connections does it serve?",
	  check_limit },
	{ "zombies", CHECK_QUICK, PROCESS, NORMAL, "does it reap the children that ended?",
	  check_zombies },
	{ "descriptors", CHECK_QUICK, PROCESS, NORMAL, "does it close what it opened for a client?",
	  check_descriptors },
	{ "memory", CHECK_NORMAL, PROCESS, NORMAL, "does it free what it allocated for a client?",
	  check_memory },
	{ "cpu-when-full", CHECK_NORMAL, PROCESS, NORMAL,
	  "is it idle while it has no descriptor for a client?", check_cpu_when_full },
	{ "survival", CHECK_QUICK, PROCESS, NORMAL, "does it survive clients that reset?",
	  check_survival },
	{ "killed-child", CHECK_QUICK, PROCESS, QUICK, "does it serve after a child was killed?",
	  check_killed_child },
	{ "restart", CHECK_QUICK, PROCESS, NORMAL, "does it listen again at once after its end?",
	  check_restart },
	{ "during", CHECK_SLOW, CHECK_ALONE | CHECK_DURING, DAY,
	  "is no connection cut or refused while a command runs?", check_during },
	{ .name = NULL },
};

static_assert(ARRAY_LEN(checks) <= CHECKS_MAX, "a profile has a line for each");

size_t check_count(void)
{
	return ARRAY_LEN(checks) - 1;
}

int check_find(const char *name)
{
	for (size_t i = 0; i < check_count(); i++) {
		if (strcmp(checks[i].name, name) == 0)
			return (int)i;
	}
	return -1;
}

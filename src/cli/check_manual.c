/* SPDX-License-Identifier: MIT */
#include "cli/check_manual.h"

#include <stddef.h>

#include "cli/common_options.h"
#include "cli/target.h"
#include "client/check/check.h"

const char *const check_description[] = {
	"Asks an echo endpoint, and the path to it, one question after the other, and prints a "
	"verdict for each: does every byte come back, does everything come back after the "
	"client's FIN, is there back-pressure, does a reset harm the next client? The endpoint "
	"can be any echo server (RFC 862), directly or behind proxies, balancers, meshes, NATs "
	"and firewalls, whose faults show too.",
	"It first connects once; if that fails, the status is 3. Then the checks run, each with "
	"its own connections and its own bytes: those whose times do not matter side by side, "
	"then the others alone. Every byte is compared. For each connection it is established "
	"how it ended (FIN, RST, silence) before anything is judged.",
	"Quick and normal checks run by default, in less than a minute. --list prints all. With "
	"--exec it starts the server itself, and judges its process too.",
	TARGET_PARAGRAPH,
	NULL,
};

static const char *const verdicts[] = {
	"A line is printed for each check: verdict, name, and what was seen. For a WARN or FAIL "
	"it also says what was expected, and after the last colon what the difference usually "
	"means.",
	"PASS: as expected. WARN: it works, but slowly, or not as well as it should. FAIL: bytes "
	"are wrong or missing, or a connection ended or fell silent. SKIP: not possible from "
	"here, with the reason. TODO: a failure that the profile expects.",
	"A verdict claims no more than what was seen: an option is \"not negotiated\", because a "
	"client cannot know what removed it. Loss in the network, simultaneous open and the "
	"handling of ICMP messages cannot be checked by a client without privileges.",
	NULL,
};

static const char *const profiles[] = {
	"A profile is a text file with a line for each check that is known not to pass, such as "
	"\"half-close fail # proxy_half_close is off\" or \"idle >=10m\".",
	"pass, warn, fail: the worst verdict that is accepted. skip: the check is left out. "
	">=VALUE: the check measures a time or a number, which must reach VALUE. A number sign "
	"begins a comment. Profiles of common proxies come with the program: --expect "
	"nginx-stream.",
	NULL,
};

static const char *const signals[] = {
	"INT (^C), TERM: end with the verdicts so far. The status is 1 after a FAIL, or else "
	"128+N.",
	"QUIT (^\\): print how far the run is and continue.",
	COMMON_SIGNALS_BEFORE,
	NULL,
};

const struct man_section check_sections[] = {
	{ "VERDICTS", verdicts },
	{ "PROFILES", profiles },
	{ "SIGNALS", signals },
	{ 0 },
};

const struct man_example check_examples[] = {
	{ "tcpecho check balancer.example.org 7", "All quick and normal checks." },
	{ "tcpecho check --only half-close,tail proxy.example.org 7",
	  "Does the proxy lose the end of a half-closed stream?" },
	{ "tcpecho check --exec './server {port}'",
	  "A server that is being written: the stream and the process." },
	{ "tcpecho check --during 'kubectl rollout restart deploy/echo' echo.example.org 7",
	  "Does a rollout cut connections?" },
	{ "tcpecho check --expect nginx-stream --format junit -o check.xml proxy.example.org 7",
	  "For a build server: only what is not known fails." },
	{ "tcpecho check --json echo.example.org 7 >new.json; tcpecho report diff old.json "
	  "new.json",
	  "What became worse since the last time?" },
	{ 0 },
};

const struct exit_status_row check_statuses[] = {
	{ STATUS_OK, "no check failed" },
	{ STATUS_ECHO_FAILED,
	  "a check failed, or warned with --strict, or did better than the profile expects" },
	{ STATUS_USAGE, "the command line or the profile is wrong" },
	{ STATUS_NO_CONNECTION,
	  "no connection: refused, unreachable, unresolved, timed out, connected to itself" },
	{ STATUS_MACHINE, "this machine could not do it: no memory, no descriptors" },
	{ STATUS_OK, NULL },
};

/* ---- --list ---- */

static const char *class_name(enum check_class class)
{
	static const char *const names[] = {
		[CHECK_QUICK] = "quick",
		[CHECK_NORMAL] = "normal",
		[CHECK_SLOW] = "slow",
		[CHECK_RUDE] = "rude",
	};
	return names[class];
}

void check_manual_list(FILE *out)
{
	for (size_t i = 0; i < check_count(); i++)
		fprintf(out, "%-17s %-7s %s\n", checks[i].name, class_name(checks[i].class),
			checks[i].question);
}

/* SPDX-License-Identifier: MIT */
#include "net/seccomp.h"

#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <sys/syscall.h>
#include <unistd.h>

/* 64-bit architectures whose C library makes each call by its own number. */
#if defined(__x86_64__) && defined(__LP64__)
#define OUR_ARCHITECTURE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define OUR_ARCHITECTURE AUDIT_ARCH_AARCH64
#elif defined(__riscv) && __riscv_xlen == 64
#define OUR_ARCHITECTURE AUDIT_ARCH_RISCV64
#else
#define OUR_ARCHITECTURE 0
#endif

/* Where the lower half of an argument lies in what a filter sees. */
#define LOWER_HALF (BYTE_ORDER == LITTLE_ENDIAN ? 0 : sizeof(uint32_t))

/* A filter under construction: it ends with "deny", then "allow", and where that is, is known. */
struct draft {
	struct seccomp_list list;
	size_t deny_at, allow_at;
};

static void add(struct draft *draft, struct sock_filter instruction)
{
	assert(draft->list.len < ARRAY_LEN(draft->list.code));
	draft->list.code[draft->list.len++] = instruction;
}

static void load(struct draft *draft, size_t offset)
{
	add(draft, (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset));
}

static void decide(struct draft *draft, uint32_t verdict)
{
	add(draft, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, verdict));
}

/* How many instructions lie between the next one and the one at `at`. */
static uint8_t from_here(const struct draft *draft, size_t at)
{
	size_t distance = at - draft->list.len - 1U;
	assert(distance <= UINT8_MAX);
	return (uint8_t)distance;
}

/* Is the loaded word this value? Skips so many instructions then, so many otherwise. */
static void compare(struct draft *draft, uint32_t value, uint8_t if_equal, uint8_t otherwise)
{
	add(draft,
	    (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, if_equal, otherwise));
}

static void allow_if(struct draft *draft, uint32_t value)
{
	compare(draft, value, from_here(draft, draft->allow_at), 0);
}

#define PLAIN_RULE_SIZE    1
#define ARGUMENT_RULE_SIZE 4

/* The number of the call is loaded before it, and behind it. */
static void add_rule(struct draft *draft, const struct seccomp_rule *rule)
{
	if (!rule->has_argument) {
		allow_if(draft, (uint32_t)rule->call);
		return;
	}
	size_t argument = offsetof(struct seccomp_data, args) + rule->argument * sizeof(uint64_t);
	compare(draft, (uint32_t)rule->call, 0, ARGUMENT_RULE_SIZE - 1);
	load(draft, argument + LOWER_HALF);
	allow_if(draft, rule->value);
	load(draft, offsetof(struct seccomp_data, nr));
}

struct seccomp_list seccomp_compile(const struct seccomp_rule *rules, size_t n,
				    enum seccomp_otherwise otherwise)
{
	struct draft draft = { .deny_at = 3 };
	if (OUR_ARCHITECTURE == 0)
		return draft.list;
	for (size_t i = 0; i < n; i++)
		draft.deny_at += rules[i].has_argument ? ARGUMENT_RULE_SIZE : PLAIN_RULE_SIZE;
	draft.allow_at = draft.deny_at + 1;

	load(&draft, offsetof(struct seccomp_data, arch));
	compare(&draft, OUR_ARCHITECTURE, 0, from_here(&draft, draft.deny_at));
	load(&draft, offsetof(struct seccomp_data, nr));
	for (size_t i = 0; i < n; i++)
		add_rule(&draft, &rules[i]);
	decide(&draft, otherwise == SECCOMP_OTHERWISE_KILL ? SECCOMP_RET_KILL_PROCESS
							   : SECCOMP_RET_ERRNO | ENOSYS);
	decide(&draft, SECCOMP_RET_ALLOW);
	return draft.list;
}

int seccomp_put_on(const struct seccomp_list *list)
{
	if (list->len == 0)
		return 0;
	/* struct sock_fprog, but for a const */
	const struct {
		unsigned short len;
		const struct sock_filter *code;
	} program = { list->len, list->code };
	long rc = syscall(__NR_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program);
	return rc < 0 ? -errno : 0;
}

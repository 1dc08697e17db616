/* SPDX-License-Identifier: MIT */
#include "net/seccomp.h"

#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <sys/syscall.h>
#include <unistd.h>

/* 64-bit architectures on which the C library uses the system call numbers directly. */
#if defined(__x86_64__) && defined(__LP64__)
#define OUR_ARCHITECTURE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define OUR_ARCHITECTURE AUDIT_ARCH_AARCH64
#elif defined(__riscv) && __riscv_xlen == 64
#define OUR_ARCHITECTURE AUDIT_ARCH_RISCV64
#else
#define OUR_ARCHITECTURE 0
#endif

/* Offsets of the halves of an argument in the data that a filter reads. */
#define LOWER_HALF (BYTE_ORDER == LITTLE_ENDIAN ? 0 : sizeof(uint32_t))
#define UPPER_HALF (sizeof(uint32_t) - LOWER_HALF)

static void append_instruction(struct seccomp_filter *filter, struct sock_filter instruction)
{
	assert(filter->len < ARRAY_LEN(filter->code));
	filter->code[filter->len++] = instruction;
}

static void append_load(struct seccomp_filter *filter, size_t offset)
{
	append_instruction(
		filter, (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset));
}

static void append_return(struct seccomp_filter *filter, uint32_t verdict)
{
	append_instruction(filter, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, verdict));
}

/* Continues with the next instruction if the comparison holds, else jumps to `end`. */
static void append_comparison(struct seccomp_filter *filter, uint16_t comparison, uint32_t value,
			      size_t end)
{
	size_t distance = end - filter->len - 1U;
	assert(distance <= UINT8_MAX);
	append_instruction(filter, (struct sock_filter)BPF_JUMP(BPF_JMP | comparison | BPF_K, value,
								0, (uint8_t)distance));
}

/* ---- checks ---- */

static bool has_mask(const struct seccomp_check *check)
{
	return check->mask != UINT32_MAX;
}

static size_t check_size(const struct seccomp_check *check)
{
	return has_mask(check) ? 3 : 2;
}

static void add_check(struct seccomp_filter *filter, const struct seccomp_check *check, size_t end)
{
	assert(check->argument < 6);
	append_load(filter, offsetof(struct seccomp_data, args) +
				    check->argument * sizeof(uint64_t) +
				    (check->is_upper ? UPPER_HALF : LOWER_HALF));
	if (has_mask(check))
		append_instruction(filter, (struct sock_filter)BPF_STMT(BPF_ALU | BPF_AND | BPF_K,
									check->mask));
	append_comparison(filter, check->is_at_least ? BPF_JGE : BPF_JEQ, check->value, end);
}

/* ---- rules ---- */

static size_t count_checks(const struct seccomp_rule *rule)
{
	size_t n = 0;
	while (n < ARRAY_LEN(rule->checks) && rule->checks[n].mask != 0)
		n++;
	return n;
}

/*
 * The call number is loaded before each rule, and again after a rule with checks, because a check
 * loads something else. Each rule ends with its own "allow", so no jump must reach the end of the
 * filter.
 */
static void add_rule(struct seccomp_filter *filter, const struct seccomp_rule *rule)
{
	size_t n_checks = count_checks(rule);
	size_t end = filter->len + 2U; /* after the comparison and "allow" */
	for (size_t i = 0; i < n_checks; i++)
		end += check_size(&rule->checks[i]);
	append_comparison(filter, BPF_JEQ, (uint32_t)rule->call, n_checks > 0 ? end + 1 : end);
	for (size_t i = 0; i < n_checks; i++)
		add_check(filter, &rule->checks[i], end);
	append_return(filter, SECCOMP_RET_ALLOW);
	if (n_checks > 0)
		append_load(filter, offsetof(struct seccomp_data, nr));
}

bool seccomp_is_known_here(void)
{
	return OUR_ARCHITECTURE != 0;
}

struct seccomp_filter seccomp_compile(const struct seccomp_rules *tables, size_t n_tables,
				      enum seccomp_otherwise otherwise)
{
	struct seccomp_filter filter = { 0 };
	if (!seccomp_is_known_here())
		return filter;
	uint32_t deny = otherwise == SECCOMP_OTHERWISE_KILL ? SECCOMP_RET_KILL_PROCESS
							    : SECCOMP_RET_ERRNO | ENOSYS;
	append_load(&filter, offsetof(struct seccomp_data, arch));
	append_instruction(&filter, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K,
								 OUR_ARCHITECTURE, 1, 0));
	append_return(&filter, deny);
	append_load(&filter, offsetof(struct seccomp_data, nr));
	for (size_t i = 0; i < n_tables; i++) {
		for (size_t j = 0; j < tables[i].n; j++)
			add_rule(&filter, &tables[i].list[j]);
	}
	append_return(&filter, deny);
	return filter;
}

int seccomp_install(const struct seccomp_filter *filter)
{
	if (filter->len == 0)
		return 0;
	/* struct sock_fprog with a const pointer */
	const struct {
		unsigned short len;
		const struct sock_filter *code;
	} program = { filter->len, filter->code };
	long rc = syscall(__NR_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program);
	return rc < 0 ? -errno : 0;
}

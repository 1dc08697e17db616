/* SPDX-License-Identifier: MIT */
#include "report/verdict_diff.h"

#include <errno.h>
#include <jansson.h>
#include <string.h>

/* ---- what changed ---- */

enum change { SAME, WORSE, BETTER, OTHER, ADDED, GONE, CHANGES };

static const char *const change_names[CHANGES] = {
	"same", "worse", "better", "other", "new", "gone"
};

/* Returns -1 for a verdict that says nothing. */
static int rank(enum verdict verdict)
{
	static const int ranks[VERDICTS] = {
		[VERDICT_PASS] = 0, [VERDICT_WARN] = 1,  [VERDICT_FAIL] = 2,
		[VERDICT_TODO] = 0, [VERDICT_SKIP] = -1,
	};
	return ranks[verdict];
}

static enum change change_of(const struct check_result *old, const struct check_result *new)
{
	if (old == NULL)
		return ADDED;
	if (new == NULL)
		return GONE;
	if (old->verdict == new->verdict)
		return SAME;
	int before = rank(old->verdict), after = rank(new->verdict);
	if (before < 0 || after < 0 || before == after)
		return OTHER;
	return after > before ? WORSE : BETTER;
}

static const struct check_result *find_result(const struct run *run, const char *name)
{
	for (size_t i = 0; i < run->verdicts.n; i++) {
		if (strcmp(run->verdicts.list[i].name, name) == 0)
			return &run->verdicts.list[i];
	}
	return NULL;
}

/* Calls a function for each check: those of the new side, then those that are only in the old. */
static void for_each_check(const struct run *old, const struct run *new,
			   void (*use)(void *to, enum change change, const struct check_result *old,
				       const struct check_result *new),
			   void *to)
{
	for (size_t i = 0; i < new->verdicts.n; i++) {
		const struct check_result *now = &new->verdicts.list[i];
		const struct check_result *before = find_result(old, now->name);
		use(to, change_of(before, now), before, now);
	}
	for (size_t i = 0; i < old->verdicts.n; i++) {
		const struct check_result *before = &old->verdicts.list[i];
		if (find_result(new, before->name) == NULL)
			use(to, GONE, before, NULL);
	}
}

static void count_change(void *to, enum change change, const struct check_result *old,
			 const struct check_result *new)
{
	size_t *counts = to;
	(void)old;
	(void)new;
	counts[change]++;
}

/* ---- text ---- */

static void write_change(void *to, enum change change, const struct check_result *old,
			 const struct check_result *new)
{
	FILE *out = to;
	const struct check_result *last = new != NULL ? new : old;
	if (change == SAME)
		return;
	fprintf(out, "%-6s %-16s %s -> %s  ", change_names[change], last->name,
		old != NULL ? verdict_name(old->verdict) : "none",
		new != NULL ? verdict_name(new->verdict) : "none");
	if (last->expected[0] != '\0')
		fprintf(out, "expected %s, got ", last->expected);
	fprintf(out, "%s\n", last->actual);
}

static void write_counts(FILE *out, const size_t counts[CHANGES])
{
	const char *between = "";
	for (enum change change = SAME; change < CHANGES; change++) {
		if (counts[change] == 0 && change != WORSE)
			continue;
		fprintf(out, "%s%zu %s", between, counts[change], change_names[change]);
		between = ", ";
	}
	fputc('\n', out);
}

/* ---- JSON ---- */

static json_t *name_or_null(const struct check_result *result)
{
	return result != NULL ? json_string(verdict_name(result->verdict)) : json_null();
}

static void add_change(void *to, enum change change, const struct check_result *old,
		       const struct check_result *new)
{
	const struct check_result *last = new != NULL ? new : old;
	if (change != SAME)
		json_array_append_new(to, json_pack("{s:s, s:s, s:o, s:o, s:s}", "name", last->name,
						    "change", change_names[change], "old",
						    name_or_null(old), "new", name_or_null(new),
						    "actual", last->actual));
}

MUST_USE static int write_changes_json(FILE *out, const struct run *old, const struct run *new,
				       const size_t counts[CHANGES])
{
	json_t *changes = json_array();
	for_each_check(old, new, add_change, changes);
	json_t *json = json_pack("{s:s, s:s, s:s, s:I, s:I, s:I, s:o}", "command", "diff", "old",
				 old->name, "new", new->name, "same", (json_int_t)counts[SAME],
				 "worse", (json_int_t)counts[WORSE], "better",
				 (json_int_t)counts[BETTER], "changes", changes);
	if (json == NULL)
		return -ENOMEM;
	/* write errors stay in `out` */
	ignore_result(json_dumpf(json, out, JSON_INDENT(2)));
	fputc('\n', out);
	json_decref(json);
	return 0;
}

int verdict_diff_write(FILE *out, bool is_json, const struct run *old, const struct run *new,
		       size_t *ret_n_worse)
{
	size_t counts[CHANGES] = { 0 };
	for_each_check(old, new, count_change, counts);
	*ret_n_worse = counts[WORSE];
	if (is_json)
		return write_changes_json(out, old, new, counts);
	for_each_check(old, new, write_change, out);
	write_counts(out, counts);
	return 0;
}

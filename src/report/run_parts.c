/* SPDX-License-Identifier: MIT */
#include "report/run_parts.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- the number of a run: FNV-1a of 64 bits, eight bytes at a time ---- */

static uint64_t mixed(uint64_t hash, uint64_t value)
{
	for (int shift = 0; shift < 64; shift += 8)
		hash = (hash ^ (value >> shift & 0xff)) * UINT64_C(0x100000001b3);
	return hash;
}

uint64_t run_part_id(const struct run *run)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325);
	const char *host = run->facts.host != NULL ? run->facts.host : "";
	struct histogram_bucket bucket;
	for (; *host != '\0'; host++)
		hash = mixed(hash, (unsigned char)*host);
	hash = mixed(hash, (uint64_t)run->format);
	hash = mixed(hash, run->facts.start_ns);
	hash = mixed(hash, run->seed);
	hash = mixed(hash, run->result.elapsed_ns);
	for (size_t at = 0; histogram_next(&run->result.response, &at, &bucket);)
		hash = mixed(mixed(hash, bucket.index), bucket.n);
	return hash;
}

/* ---- those of several ---- */

struct part {
	uint64_t id;
	size_t run; /* whose it is */
};

static int by_id(const void *a, const void *b)
{
	const struct part *one = a, *other = b;
	if (one->id != other->id)
		return one->id < other->id ? -1 : 1;
	return one->run < other->run ? -1 : one->run > other->run;
}

static size_t count(const struct run *run)
{
	return run->parts.n > 0 ? run->parts.n : 1;
}

/* All of them, sorted: those that are the same stand beside each other. */
static void collect(const struct run *runs, size_t n, struct part *parts)
{
	size_t n_parts = 0;
	for (size_t i = 0; i < n; i++) {
		for (size_t j = 0; j < count(&runs[i]); j++)
			parts[n_parts++] = (struct part){
				.id = runs[i].parts.n > 0 ? runs[i].parts.ids[j]
							  : run_part_id(&runs[i]),
				.run = i,
			};
	}
	qsort(parts, n_parts, sizeof(*parts), by_id);
}

static const char *name_of(const struct run *run)
{
	return run->name != NULL ? run->name : "it";
}

MUST_USE static int refuse_twice(const struct run *a, const struct run *b, struct run_refusal *why)
{
	bool are_single = a->parts.n == 0 && b->parts.n == 0;
	snprintf(why->text, sizeof(why->text),
		 are_single ? "%.100s and %.100s are the same run"
			    : "%.100s and %.100s have a run in common, which would count twice",
		 name_of(a), name_of(b));
	return -EBADMSG;
}

int run_parts_join(const struct run *runs, size_t n, struct run_parts *ret_parts,
		   struct run_refusal *reterr_why)
{
	size_t n_parts = 0;
	for (size_t i = 0; i < n; i++)
		n_parts += count(&runs[i]);
	if (n_parts > RUN_PARTS_MOST) {
		snprintf(reterr_why->text, sizeof(reterr_why->text),
			 "they are of %zu runs, and at most %d can be told apart", n_parts,
			 RUN_PARTS_MOST);
		return -EBADMSG;
	}
	struct part *parts = calloc(n_parts + 1, sizeof(*parts));
	struct run_parts joined = { .ids = calloc(n_parts + 1, sizeof(*joined.ids)) };
	int rc = parts != NULL && joined.ids != NULL ? 0 : -ENOMEM;
	if (rc == 0)
		collect(runs, n, parts);
	for (size_t i = 0; rc == 0 && i < n_parts; i++) {
		if (i > 0 && parts[i].id == parts[i - 1].id)
			rc = refuse_twice(&runs[parts[i - 1].run], &runs[parts[i].run], reterr_why);
		joined.ids[joined.n++] = parts[i].id;
	}
	free(parts);
	if (rc == 0)
		*ret_parts = joined;
	else
		free(joined.ids);
	return rc;
}

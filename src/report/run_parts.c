/* SPDX-License-Identifier: MIT */
#include "report/run_parts.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- the id of a run: 64-bit FNV-1a, eight bytes at a time ---- */

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

/* ---- the parts of several runs ---- */

void run_parts_close(struct run_parts *parts)
{
	for (size_t i = 0; i < parts->n; i++) {
		free(parts->list[i].host);
		free(parts->list[i].target);
		free(parts->list[i].client_bound);
	}
	free(parts->list);
	*parts = (struct run_parts){ 0 };
}

MUST_USE static int copy_text(const char *text, char **ret_copy)
{
	*ret_copy = text != NULL ? strdup(text) : NULL;
	return text == NULL || *ret_copy != NULL ? 0 : -ENOMEM;
}

/* Appends a copy. The list must have room for it. */
MUST_USE static int append_part(struct run_parts *parts, const struct run_part *from)
{
	struct run_part *part = &parts->list[parts->n++];
	*part = *from;
	int rc_host = copy_text(from->host, &part->host);
	int rc_target = copy_text(from->target, &part->target);
	int rc_bound = copy_text(from->client_bound, &part->client_bound);
	return rc_host < 0 || rc_target < 0 || rc_bound < 0 ? -ENOMEM : 0;
}

/* Makes the part of a run that has no parts. The texts still belong to the run. */
static struct run_part part_of_run(const struct run *run)
{
	return (struct run_part){
		.id = run_part_id(run),
		.start_ns = run->facts.start_ns,
		.elapsed_ns = run->result.elapsed_ns,
		.n_connections = run->n_connections,
		.n_threads = run->n_threads,
		.rate_wanted = run->rate_wanted,
		.host = run->facts.host,
		.target = run->target,
		.client_bound = run->client_bound,
		.is_interrupted = run->is_interrupted,
	};
}

static int compare_numbers(uint64_t a, uint64_t b)
{
	return a < b ? -1 : a > b;
}

static int by_id(const void *a, const void *b)
{
	const struct run_part *one = a, *other = b;
	return compare_numbers(one->id, other->id);
}

static size_t count_parts(const struct run *run)
{
	return run->parts.n > 0 ? run->parts.n : 1;
}

/* Collects all parts in order of id. The list must have room for all. */
MUST_USE static int collect_parts(const struct run *runs, size_t n, struct run_parts *parts)
{
	int rc = 0;
	for (size_t i = 0; rc == 0 && i < n; i++) {
		const struct run_part alone = part_of_run(&runs[i]);
		const struct run_part *list = runs[i].parts.n > 0 ? runs[i].parts.list : &alone;
		for (size_t j = 0; rc == 0 && j < count_parts(&runs[i]); j++)
			rc = append_part(parts, &list[j]);
	}
	qsort(parts->list, parts->n, sizeof(*parts->list), by_id);
	return rc;
}

static bool has_part(const struct run *run, uint64_t id)
{
	if (run->parts.n == 0)
		return run_part_id(run) == id;
	const struct run_part key = { .id = id };
	return bsearch(&key, run->parts.list, run->parts.n, sizeof(key), by_id) != NULL;
}

static const char *name_or_it(const struct run *run)
{
	return run->name != NULL ? run->name : "it";
}

/* Refuses an id that occurs in two runs, or twice in one. */
MUST_USE static int refuse_twice(const struct run *runs, size_t n, uint64_t id,
				 struct run_refusal *why)
{
	const struct run *found[2] = { NULL, NULL };
	size_t n_found = 0;
	for (size_t i = 0; i < n && n_found < 2; i++) {
		if (has_part(&runs[i], id))
			found[n_found++] = &runs[i];
	}
	assert(n_found > 0);
	const struct run *a = found[0], *b = n_found == 2 ? found[1] : found[0];
	bool are_single = a->parts.n == 0 && b->parts.n == 0;
	snprintf(why->text, sizeof(why->text),
		 are_single ? "%.100s and %.100s are the same run"
			    : "%.100s and %.100s have a run in common, which would count twice",
		 name_or_it(a), name_or_it(b));
	return -EBADMSG;
}

int run_parts_join(const struct run *runs, size_t n, struct run_parts *ret_parts,
		   struct run_refusal *reterr_why)
{
	size_t n_parts = 0;
	for (size_t i = 0; i < n; i++)
		n_parts += count_parts(&runs[i]);
	if (n_parts > RUN_PARTS_MAX) {
		snprintf(reterr_why->text, sizeof(reterr_why->text),
			 "they are of %zu runs, and at most %d can be distinguished", n_parts,
			 RUN_PARTS_MAX);
		return -EBADMSG;
	}
	struct run_parts parts = { .list = calloc(n_parts + 1, sizeof(*parts.list)) };
	int rc = parts.list != NULL ? collect_parts(runs, n, &parts) : -ENOMEM;
	for (size_t i = 1; rc == 0 && i < n_parts; i++) {
		if (parts.list[i].id == parts.list[i - 1].id)
			rc = refuse_twice(runs, n, parts.list[i].id, reterr_why);
	}
	if (rc == 0)
		*ret_parts = parts;
	else
		run_parts_close(&parts);
	return rc;
}

/* ---- time ---- */

/* The start or the end of a part, for a sweep over time. */
struct edge {
	uint64_t at_ns;
	bool is_start;
	const struct run_part *part;
};

/* Sorts by time; at the same time ends come first, because these parts did not overlap. */
static int by_time(const void *a, const void *b)
{
	const struct edge *one = a, *other = b;
	if (one->at_ns != other->at_ns)
		return compare_numbers(one->at_ns, other->at_ns);
	return (int)one->is_start - (int)other->is_start;
}

/* A part without a duration counts as 1 ns. */
static uint64_t end_ns_of(const struct run_part *part)
{
	return part->start_ns + (part->elapsed_ns > 0 ? part->elapsed_ns : 1);
}

/*
 * Returns starts and ends of all parts in order of time. The caller frees them; NULL: out of
 * memory.
 */
static struct edge *sort_edges(const struct run_parts *parts)
{
	struct edge *edges = calloc(2 * parts->n + 1, sizeof(*edges));
	for (size_t i = 0; edges != NULL && i < parts->n; i++) {
		const struct run_part *part = &parts->list[i];
		edges[2 * i] = (struct edge){ part->start_ns, true, part };
		edges[2 * i + 1] = (struct edge){ end_ns_of(part), false, part };
	}
	if (edges != NULL)
		qsort(edges, 2 * parts->n, sizeof(*edges), by_time);
	return edges;
}

static int by_start(const void *a, const void *b)
{
	const struct run_part *const *one = a, *const *other = b;
	return compare_numbers((*one)->start_ns, (*other)->start_ns);
}

int run_parts_elapsed_ns(const struct run_parts *parts, uint64_t *ret_start_ns,
			 uint64_t *ret_elapsed_ns)
{
	const struct run_part **sorted = calloc(parts->n + 1, sizeof(const struct run_part *));
	if (sorted == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < parts->n; i++)
		sorted[i] = &parts->list[i];
	qsort(sorted, parts->n, sizeof(const struct run_part *), by_start);
	uint64_t elapsed_ns = 0, end_ns = 0;
	for (size_t i = 0; i < parts->n; i++) {
		uint64_t from_ns = sorted[i]->start_ns > end_ns ? sorted[i]->start_ns : end_ns;
		uint64_t to_ns = sorted[i]->start_ns + sorted[i]->elapsed_ns;
		elapsed_ns += to_ns > from_ns ? to_ns - from_ns : 0;
		end_ns = to_ns > end_ns ? to_ns : end_ns;
	}
	*ret_start_ns = sorted[0]->start_ns;
	*ret_elapsed_ns = elapsed_ns;
	free(sorted);
	return 0;
}

/* Limits a count, so that the sum of RUN_PARTS_MAX of them fits into 64 bits. */
static uint64_t bounded(uint64_t n)
{
	uint64_t max = INT64_MAX / RUN_PARTS_MAX;
	return n < max ? n : max;
}

static uint64_t larger_bound(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

int run_parts_set_peaks(struct run *run)
{
	uint64_t n_connections = 0, n_threads = 0, rate = 0;
	struct edge *edges = sort_edges(&run->parts);
	if (edges == NULL)
		return -ENOMEM;
	run->n_connections = run->n_threads = run->rate_wanted = 0;
	for (size_t i = 0; i < 2 * run->parts.n; i++) {
		const struct run_part *part = edges[i].part;
		uint64_t sign = edges[i].is_start ? 1 : UINT64_MAX; /* UINT64_MAX is -1 */
		n_connections += sign * bounded(part->n_connections);
		n_threads += sign * bounded(part->n_threads);
		rate += sign * bounded(part->rate_wanted);
		run->n_connections = larger_bound(run->n_connections, n_connections);
		run->n_threads = larger_bound(run->n_threads, n_threads);
		run->rate_wanted = larger_bound(run->rate_wanted, rate);
	}
	free(edges);
	return 0;
}

/* ---- texts ---- */

/* Maximum number of texts in a list; the others are only counted. */
#define LISTED_MAX 16

static int by_text(const void *a, const void *b)
{
	const char *const *one = a, *const *other = b;
	return strverscmp(*one, *other); /* host2 is before host10 */
}

/*
 * Lists the texts at `offset` of all parts, each once, in alphabetical order: "a, b and 7 more".
 * The caller frees *ret_list, which is NULL if no part has a text.
 */
MUST_USE static int list_texts(const struct run_parts *parts, size_t offset, const char *separator,
			       char **ret_list)
{
	const char **texts = calloc(parts->n + 1, sizeof(const char *));
	size_t n = 0, n_listed = 0, length = 64;
	if (texts == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < parts->n; i++) {
		const char *text = *(char *const *)((const char *)&parts->list[i] + offset);
		if (text != NULL)
			texts[n++] = text;
	}
	qsort(texts, n, sizeof(const char *), by_text);
	size_t n_different = 0;
	for (size_t i = 0; i < n; i++) {
		if (i == 0 || strcmp(texts[i], texts[i - 1]) != 0)
			texts[n_different++] = texts[i];
	}
	for (; n_listed < n_different && n_listed < LISTED_MAX; n_listed++)
		length += strlen(texts[n_listed]) + strlen(separator);
	char *list = n_listed > 0 ? calloc(1, length) : NULL, *at = list;
	bool is_missing = n_listed > 0 && list == NULL;
	for (size_t i = 0; list != NULL && i < n_listed; i++)
		at += sprintf(at, "%s%s", i > 0 ? separator : "", texts[i]);
	if (list != NULL && n_different > n_listed)
		sprintf(at, " and %zu more", n_different - n_listed);
	free(texts);
	*ret_list = list;
	return is_missing ? -ENOMEM : 0;
}

/* Sets client_bound: what limited the client, and in how many of the runs. */
MUST_USE static int list_bounds(struct run *run)
{
	const struct run_parts *parts = &run->parts;
	size_t n_bound = 0;
	char *reasons = NULL;
	int rc = list_texts(parts, offsetof(struct run_part, client_bound), "; ", &reasons);
	if (rc < 0 || reasons == NULL || parts->n == 1) {
		run->client_bound = reasons;
		return rc;
	}
	for (size_t i = 0; i < parts->n; i++)
		n_bound += parts->list[i].client_bound != NULL;
	if (asprintf(&run->client_bound, "in %zu of %zu runs: %s", n_bound, parts->n, reasons) < 0)
		rc = -ENOMEM;
	free(reasons);
	return rc;
}

int run_parts_set_facts(struct run *run)
{
	const struct run_parts *parts = &run->parts;
	int rc = list_texts(parts, offsetof(struct run_part, host), ", ", &run->facts.host);
	if (rc == 0)
		rc = list_texts(parts, offsetof(struct run_part, target), ", ", &run->target);
	if (rc == 0)
		rc = list_bounds(run);
	for (size_t i = 0; i < parts->n; i++)
		run->is_interrupted |= parts->list[i].is_interrupted;
	return rc;
}

/* SPDX-License-Identifier: MIT */
/*
 * An exhaustive simulation of the echo: every order of partial reads, partial writes, refusals, the
 * client's end, a reset, and the server's stop, within the bounds of the world (world.h, which has
 * the laws). All reachable states of world and echo together are visited once each, breadth first.
 * So the first fault has the shortest path.
 */
#include <assert.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mistakes.h"
#include "world.h"

#define MOST_STATES (1 << 20)

static const char *const event_names[] = { "got",      "refused", "ended", "sent",
					   "finished", "stopped", "failed" };

/* How a state was first reached. */
struct way {
	size_t from;
	struct choice choice;
};

struct search {
	const struct machine *machine;
	struct world *states;
	struct way *ways;
	size_t *table; /* hash table of indices + 1 */
	size_t n_states, n_transitions, n_ends;
	const char *fault;
	size_t fault_at;
};

/* ---- the set of states ---- */

static size_t hash(const struct world *state)
{
	const unsigned char *bytes = (const unsigned char *)state;
	size_t h = 14695981039346656037u;
	for (size_t i = 0; i < sizeof(*state); i++)
		h = (h ^ bytes[i]) * 1099511628211u;
	return h;
}

/* Enters a state if it is new. */
static void enter(struct search *search, const struct world *state, struct way way)
{
	size_t place = hash(state) % (2 * MOST_STATES);
	for (; search->table[place] != 0; place = (place + 1) % (2 * MOST_STATES)) {
		const struct world *known = &search->states[search->table[place] - 1];
		if (memcmp(known, state, sizeof(*state)) == 0)
			return;
	}
	assert(search->n_states < MOST_STATES);
	memcpy(&search->states[search->n_states], state, sizeof(*state));
	search->ways[search->n_states] = way;
	search->table[place] = ++search->n_states;
}

/* ---- the search ---- */

/* Enters all successor states of a state. */
static void follow_all(struct search *search, size_t from)
{
	struct choice choices[WORLD_CHOICES_MAX];
	size_t n = world_choices(&search->states[from], choices);
	for (size_t i = 0; i < n; i++) {
		struct world next;
		memcpy(&next, &search->states[from], sizeof(next));
		world_follow(&next, search->machine, choices[i]);
		enter(search, &next, (struct way){ .from = from, .choice = choices[i] });
	}
	search->n_transitions += n;
	search->n_ends += n == 0;
}

/* Visits every state, until a law is broken. */
static void search_all(struct search *search)
{
	const struct world start = { 0 };
	enter(search, &start, (struct way){ 0 });
	for (size_t at = 0; at < search->n_states; at++) {
		search->fault = world_broken_law(&search->states[at]);
		search->fault_at = at;
		if (search->fault != NULL)
			return;
		follow_all(search, at);
	}
}

/* ---- the report ---- */

static void print_way(const struct search *search)
{
	size_t stack[WORLD_STEPS + 1], n = 0;
	for (size_t at = search->fault_at; at != 0; at = search->ways[at].from)
		stack[n++] = at;
	printf("#  ");
	while (n > 0) {
		const struct way *way = &search->ways[stack[--n]];
		printf(" %s", event_names[way->choice.event]);
		if (way->choice.n > 0)
			printf(" %zu", way->choice.n);
	}
	printf(": %s\n", search->fault);
}

/* Runs one machine; returns whether it did as it should. */
static bool run(const struct machine *machine, bool is_right, int number)
{
	struct search search = { .machine = machine };
	search.states = calloc(MOST_STATES, sizeof(*search.states));
	search.ways = calloc(MOST_STATES, sizeof(*search.ways));
	search.table = calloc(2 * (size_t)MOST_STATES, sizeof(*search.table));
	assert(search.states != NULL && search.ways != NULL && search.table != NULL);
	search_all(&search);

	bool good = is_right == (search.fault == NULL);
	printf("%s %d - %s%s\n", good ? "ok" : "not ok", number,
	       is_right ? "every order of events keeps every promise: " : "found: ", machine->name);
	printf("# %zu states, %zu transitions, %zu ends\n", search.n_states, search.n_transitions,
	       search.n_ends);
	if (search.fault != NULL)
		print_way(&search);
	free(search.states);
	free(search.ways);
	free(search.table);
	return good;
}

int main(void)
{
	int number = 1;
	bool good = run(&machine_right, true, number);
	for (const struct machine *wrong = machines_wrong; wrong->name != NULL; wrong++)
		good &= run(wrong, false, ++number);
	printf("1..%d\n", number);
	return good ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* SPDX-License-Identifier: MIT */
/*
 * An exhaustive simulation of the echo: every order of partial reads, partial writes, refusals, the
 * client's end, a reset, and the server's stop, up to the bounds below.
 *
 * The world is a client who sends BYTES bytes and then its FIN, and a kernel that may at every call
 * give any count that it is allowed to give. The driver is the one that any engine is: it does what
 * the echo wants and tells it what came of it. All reachable states of world and echo together are
 * visited once each, breadth first, so that the first fault found has the shortest way to it.
 *
 * Held in every state:
 *   - what the client has received is a prefix of what it sent;
 *   - the counts of the echo are true, and it keeps no more than its buffer holds;
 *   - it wants to read only when it keeps nothing;
 *   - no way is longer than STEPS: it always ends.
 * Held when it wants to close:
 *   - if the connection did not fail, the FIN was sent, once;
 *   - if it neither failed nor was stopped, every byte came back before the FIN;
 *   - closing resets nobody: the client has ended, or the connection failed, or the patience of the
 *     lingering close was at its end.
 */
#include <assert.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "echo/echo.h"
#include "mistakes.h"

#define BYTES    8  /* sent by the client: the byte at offset i is i + 1 */
#define BUFFER   4  /* the driver's buffer */
#define REFUSALS 2  /* EAGAIN and the like, which change nothing */
#define STEPS    64 /* more than the longest way there is */

#define MOST_STATES (1 << 20)

/* World and echo. Compared as memory, so it has no padding that is not zero (calloc, memcpy). */
struct state {
	struct echo echo;
	unsigned char buffer[BUFFER];
	unsigned char returned[BYTES];        /* what the client has received */
	unsigned char n_received, n_returned; /* by the driver, by the client */
	unsigned char refusals, stops, fins, steps;
	bool end_seen, failed;
};

enum event { GOT, REFUSED, ENDED, SENT, FINISHED, STOPPED, FAILED };

static const char *const event_names[] = { "got",      "refused", "ended", "sent",
					   "finished", "stopped", "failed" };

/* How a state was first reached. */
struct way {
	size_t from;
	enum event event;
	size_t n;
};

struct search {
	const struct machine *machine;
	struct state *states;
	struct way *ways;
	size_t *table; /* hash table of indices + 1 */
	size_t n_states, n_transitions, n_ends;
	const char *fault;
	size_t fault_at;
};

/* ---- the set of states ---- */

static size_t hash(const struct state *state)
{
	const unsigned char *bytes = (const unsigned char *)state;
	size_t h = 14695981039346656037u;
	for (size_t i = 0; i < sizeof(*state); i++)
		h = (h ^ bytes[i]) * 1099511628211u;
	return h;
}

/* Enters a state if it is new. */
static void enter(struct search *search, const struct state *state, struct way way)
{
	size_t place = hash(state) % (2 * MOST_STATES);
	for (; search->table[place] != 0; place = (place + 1) % (2 * MOST_STATES)) {
		const struct state *known = &search->states[search->table[place] - 1];
		if (memcmp(known, state, sizeof(*state)) == 0)
			return;
	}
	assert(search->n_states < MOST_STATES);
	memcpy(&search->states[search->n_states], state, sizeof(*state));
	search->ways[search->n_states] = way;
	search->table[place] = ++search->n_states;
}

/* ---- the laws ---- */

static const char *broken_law(const struct state *s)
{
	for (size_t i = 0; i < s->n_returned; i++) {
		if (s->returned[i] != i + 1)
			return "the output is no prefix of the input";
	}
	if (s->echo.in != s->n_received || s->echo.out != s->n_returned)
		return "a count is not true";
	if (s->echo.kept_at + s->echo.kept > BUFFER)
		return "more is kept than the buffer holds";
	if (s->echo.want == ECHO_READ && s->echo.kept > 0)
		return "it reads while it keeps bytes";
	if (s->fins > 1)
		return "it ends its half twice";
	if (s->steps >= STEPS)
		return "it does not end";
	if (s->echo.want != ECHO_CLOSE)
		return NULL;

	if (!s->failed && s->fins != 1)
		return "it closes without a FIN";
	if (!s->failed && s->stops == 0 && s->n_returned != BYTES)
		return "it closes before every byte came back";
	if (!s->failed && !s->end_seen && s->stops < 2)
		return "closing resets a client who is still sending";
	return NULL;
}

/* ---- the driver ---- */

/* Carries out one thing that can happen in a state and enters what comes of it. */
static void follow(struct search *search, size_t from, enum event event, size_t n)
{
	const struct machine *machine = search->machine;
	struct state next;
	memcpy(&next, &search->states[from], sizeof(next));
	next.steps++;
	switch (event) {
	case GOT:
		for (size_t i = 0; i < n; i++) {
			unsigned char byte = (unsigned char)(next.n_received++ + 1);
			if (next.echo.want == ECHO_READ)
				next.buffer[i] = byte;
		}
		machine->got(&next.echo, n);
		break;
	case ENDED:
		next.end_seen = true;
		machine->ended(&next.echo);
		break;
	case SENT:
		memcpy(next.returned + next.n_returned, next.buffer + next.echo.kept_at, n);
		next.n_returned = (unsigned char)(next.n_returned + n);
		machine->sent(&next.echo, n);
		break;
	case FINISHED:
		next.fins++;
		machine->finished(&next.echo);
		break;
	case REFUSED:
		next.refusals++;
		break;
	case STOPPED:
		next.stops++;
		machine->stop(&next.echo);
		break;
	case FAILED:
		next.failed = true;
		machine->failed(&next.echo);
		break;
	}
	search->n_transitions++;
	enter(search, &next, (struct way){ .from = from, .event = event, .n = n });
}

/* Everything that can happen next, by what the echo wants. */
static void follow_all(struct search *search, size_t at)
{
	struct state state;
	memcpy(&state, &search->states[at], sizeof(state));
	size_t to_come = (size_t)(BYTES - state.n_received);
	bool waits = false;
	switch (state.echo.want) {
	case ECHO_READ:
	case ECHO_DISCARD:
		for (size_t n = 1; n <= to_come && n <= BUFFER; n++)
			follow(search, at, GOT, n);
		if (to_come == 0)
			follow(search, at, ENDED, 0);
		waits = true;
		break;
	case ECHO_WRITE:
		for (size_t n = 1; n <= state.echo.kept; n++)
			follow(search, at, SENT, n);
		waits = true;
		break;
	case ECHO_FINISH:
		follow(search, at, FINISHED, 0);
		break;
	case ECHO_CLOSE:
		search->n_ends++;
		return;
	}
	if (!state.failed)
		follow(search, at, FAILED, 0);
	if (waits && state.refusals < REFUSALS)
		follow(search, at, REFUSED, 0);
	if (waits && state.stops < 2)
		follow(search, at, STOPPED, 0);
}

/* Visits every state, until a law is broken. */
static void search_all(struct search *search)
{
	const struct state start = { 0 };
	enter(search, &start, (struct way){ 0 });
	for (size_t at = 0; at < search->n_states; at++) {
		search->fault = broken_law(&search->states[at]);
		search->fault_at = at;
		if (search->fault != NULL)
			return;
		follow_all(search, at);
	}
}

/* ---- the report ---- */

static void print_way(const struct search *search)
{
	size_t stack[STEPS + 1], n = 0;
	for (size_t at = search->fault_at; at != 0; at = search->ways[at].from)
		stack[n++] = at;
	printf("#  ");
	while (n > 0) {
		const struct way *way = &search->ways[stack[--n]];
		printf(" %s", event_names[way->event]);
		if (way->n > 0)
			printf(" %zu", way->n);
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

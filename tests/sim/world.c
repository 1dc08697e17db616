/* SPDX-License-Identifier: MIT */
#include "world.h"

#include <assert.h>
#include <limits.h>
#include <string.h>

static_assert(WORLD_BYTES < UCHAR_MAX && WORLD_STEPS <= UCHAR_MAX, "they are counted in a byte");

/* ---- what can happen ---- */

struct choices {
	struct choice *list;
	size_t n;
};

static void add(struct choices *choices, enum event event, size_t n)
{
	assert(choices->n < WORLD_CHOICES_MAX);
	choices->list[choices->n++] = (struct choice){ .event = event, .n = n };
}

size_t world_choices(const struct world *world, struct choice ret_choices[WORLD_CHOICES_MAX])
{
	struct choices choices = { .list = ret_choices };
	size_t to_come = (size_t)(WORLD_BYTES - world->n_received);
	bool waits = false;
	switch (world->echo.want) {
	case ECHO_READ:
	case ECHO_DISCARD:
		for (size_t n = 1; n <= to_come && n <= WORLD_BUFFER; n++)
			add(&choices, GOT, n);
		if (to_come == 0)
			add(&choices, ENDED, 0);
		waits = true;
		break;
	case ECHO_WRITE:
		for (size_t n = 1; n <= world->echo.kept; n++)
			add(&choices, SENT, n);
		waits = true;
		break;
	case ECHO_FINISH:
		add(&choices, FINISHED, 0);
		break;
	case ECHO_CLOSE:
		return 0;
	}
	if (!world->failed)
		add(&choices, FAILED, 0);
	if (waits && world->refusals < WORLD_REFUSALS)
		add(&choices, REFUSED, 0);
	if (waits && world->stops < 2)
		add(&choices, STOPPED, 0);
	return choices.n;
}

/* ---- the driver ---- */

void world_follow(struct world *world, const struct machine *machine, struct choice choice)
{
	world->steps++;
	switch (choice.event) {
	case GOT:
		for (size_t i = 0; i < choice.n; i++) {
			unsigned char byte = (unsigned char)(world->n_received++ + 1);
			if (world->echo.want == ECHO_READ)
				world->buffer[i] = byte;
		}
		machine->got(&world->echo, choice.n);
		break;
	case ENDED:
		world->end_seen = true;
		machine->ended(&world->echo);
		break;
	case SENT:
		memcpy(world->returned + world->n_returned, world->buffer + world->echo.kept_at,
		       choice.n);
		world->n_returned = (unsigned char)(world->n_returned + choice.n);
		machine->sent(&world->echo, choice.n);
		break;
	case FINISHED:
		world->fins++;
		machine->finished(&world->echo);
		break;
	case REFUSED:
		world->refusals++;
		break;
	case STOPPED:
		world->stops++;
		machine->stop(&world->echo);
		break;
	case FAILED:
		world->failed = true;
		machine->failed(&world->echo);
		break;
	}
}

/* ---- the laws ---- */

const char *world_broken_law(const struct world *world)
{
	for (size_t i = 0; i < world->n_returned; i++) {
		if (world->returned[i] != i + 1)
			return "the output is no prefix of the input";
	}
	if (world->echo.in != world->n_received || world->echo.out != world->n_returned)
		return "a count is not true";
	if (world->echo.kept_at + world->echo.kept > WORLD_BUFFER)
		return "more is kept than the buffer holds";
	if (world->echo.want == ECHO_READ && world->echo.kept > 0)
		return "it reads while it keeps bytes";
	if (world->fins > 1)
		return "it ends its half twice";
	if (world->steps >= WORLD_STEPS)
		return "it does not end";
	if (world->echo.want != ECHO_CLOSE)
		return NULL;

	if (!world->failed && world->fins != 1)
		return "it closes without a FIN";
	if (!world->failed && world->stops == 0 && world->n_returned != WORLD_BYTES)
		return "it closes before every byte came back";
	if (!world->failed && !world->end_seen && world->stops < 2)
		return "closing resets a client that is still sending";
	return NULL;
}

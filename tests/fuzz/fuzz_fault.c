/* SPDX-License-Identifier: MIT */
/*
 * A fault of --fault: an accepted one is printed and reads as the same, and a rejected one gets one
 * message. A connection with it always gets to its next step: a driver never spins. What the client
 * gets is the same for any two segmentations.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "fault/fault_stream.h"
#include "fault/swap.h"
#include "fuzz.h"

/* Bytes that the client sends, and the most that it can get back: a duplicate, a banner. */
#define SENT     700
#define GOT_MAX  (SENT + FAULT_REGION_MAX + FAULT_TEXT_MAX)
#define STEP_MAX (100 * SENT)

/* The sizes of receives and sends: bytes of the input, again and again. */
struct sizes {
	const uint8_t *list;
	size_t n, at;
};

struct outcome {
	unsigned char got[GOT_MAX];
	size_t n_got;
	size_t n_read;
	enum fault_action end;
	bool is_silent; /* it sleeps for ever */
};

/* The buffer of the driver. */
static unsigned char buffer[512];

static size_t next_size(struct sizes *sizes, size_t most)
{
	size_t size = sizes->n == 0 ? 1 : (size_t)sizes->list[sizes->at++ % sizes->n] + 1;
	return size < most ? size : most;
}

/* Does what a step says. Returns false if the connection is over. */
static bool do_step(struct fault_stream *stream, struct echo *echo, struct sizes *sizes,
		    const struct fault_step *step, struct outcome *outcome, uint64_t now_ns)
{
	size_t n;
	switch (step->action) {
	case FAULT_RECEIVE:
		n = next_size(sizes, step->size < sizeof(buffer) ? step->size : sizeof(buffer));
		n = n < SENT - outcome->n_read ? n : SENT - outcome->n_read;
		if (n == 0) {
			echo_ended(echo);
			return true;
		}
		for (size_t i = 0; i < n; i++)
			buffer[i] = (unsigned char)((outcome->n_read + i) * 7);
		outcome->n_read += n;
		echo_got(echo, n);
		fault_received(stream, n, now_ns);
		return true;
	case FAULT_SEND:
		n = next_size(sizes, step->size);
		assert(outcome->n_got + n <= GOT_MAX);
		memcpy(outcome->got + outcome->n_got, step->bytes, n);
		outcome->n_got += n;
		fault_sent(stream, echo, n, now_ns);
		return true;
	case FAULT_SEND_FIN:
		fault_fin_sent(stream);
		return true;
	case FAULT_SLEEP:
		outcome->is_silent = step->until_ns == CLOCK_NEVER;
		return !outcome->is_silent;
	case FAULT_FOLLOW:
	case FAULT_STOP:
	case FAULT_RESET:
		outcome->end = step->action;
		return false;
	}
	return false;
}

static void run(const struct fault_set *set, struct sizes sizes, struct outcome *outcome)
{
	static _Alignas(64) unsigned char memory[256 * 1024];
	static _Alignas(64) unsigned char swaps[1024 * 1024];
	uint64_t now_ns = CLOCK_NS_PER_S;
	const struct fault_conn conn = {
		.set = set,
		.swaps = (struct swaps *)(void *)swaps,
		.number = 1,
		.n_open = 1,
		.now_ns = now_ns,
	};
	memset(outcome, 0, sizeof(*outcome));
	assert(fault_stream_size(set) <= sizeof(memory) && swaps_size() <= sizeof(swaps));
	if (set->faults[0].kind == FAULT_SWAP)
		memset(swaps, 0, swaps_size());
	struct fault_stream *stream = fault_stream_begin(memory, &conn);
	struct echo echo = { 0 };
	for (int steps = 0; stream != NULL; steps++) {
		assert(steps < STEP_MAX);
		struct fault_step step = fault_stream_next(stream, &echo, buffer, now_ns);
		if (!do_step(stream, &echo, &sizes, &step, outcome, now_ns))
			break;
		if (step.action == FAULT_SLEEP) {
			assert(step.until_ns > now_ns);
			now_ns = step.until_ns;
		}
	}
}

static void check_segmentation(const struct fault *fault, const struct fuzz_input *input)
{
	static struct outcome outcomes[2];
	static struct fault_set set;
	struct reason why;
	set = (struct fault_set){ .seed = 7 };
	int rc = fault_set_add(&set, fault, &why);
	assert(rc == 0);
	run(&set, (struct sizes){ .list = input->at, .n = input->left }, &outcomes[0]);
	run(&set, (struct sizes){ .list = (const uint8_t *)"\xff\x10", .n = 2 }, &outcomes[1]);
	assert(outcomes[0].n_got == outcomes[1].n_got);
	assert(memcmp(outcomes[0].got, outcomes[1].got, outcomes[0].n_got) == 0);
	assert(outcomes[0].end == outcomes[1].end);
	assert(outcomes[0].is_silent == outcomes[1].is_silent);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input input = { data, size };
	char *spec = fuzz_string(&input);
	struct fault fault, again;
	struct reason why = { "" };
	int rc = fault_parse(spec, &fault, &why);
	if (rc < 0) {
		assert(rc == -EINVAL && why.text[0] != '\0');
	} else {
		struct fault_text text = fault_format(&fault);
		rc = fault_parse(text.text, &again, &why);
		assert(rc == 0 && strcmp(fault_format(&again).text, text.text) == 0);
		assert(again.at == fault.at && again.value == fault.value);
		check_segmentation(&fault, &input);
	}
	free(spec);
	return 0;
}

/* SPDX-License-Identifier: MIT */
#include "fault/fault_kind.h"

#define ACCEPT (1U << FAULT_AT_ACCEPT)
#define OFFSET (1U << FAULT_AT_OFFSET)
#define AFTER  (1U << FAULT_AT_TIME)
#define AT_EOF (1U << FAULT_AT_EOF)
#define IDLE   (1U << FAULT_AT_IDLE)

static const struct fault_row rows[FAULT_KINDS] = {
	[FAULT_DELAY] = {
		.name = "delay",
		.example = "delay=20ms~5ms",
		.help = "echo each byte TIME later, order kept",
		.value = VALUE_TIME_JITTER,
		.needs_value = true,
		.triggers = ACCEPT,
	},
	[FAULT_THROTTLE] = {
		.name = "throttle",
		.example = "throttle=1M/s",
		.help = "send at most this number of bytes a second",
		.value = VALUE_BYTES_PER_S,
		.needs_value = true,
		.triggers = ACCEPT | OFFSET | AFTER,
	},
	[FAULT_SLOW_READ] = {
		.name = "slow-read",
		.example = "slow-read=10k/s",
		.help = "read at most this number of bytes a second",
		.value = VALUE_BYTES_PER_S,
		.needs_value = true,
		.triggers = ACCEPT | OFFSET | AFTER,
	},
	[FAULT_CHUNK] = {
		.name = "chunk",
		.example = "chunk=1",
		.help = "send at most this number of bytes at a time",
		.value = VALUE_BYTES,
		.needs_value = true,
		.triggers = ACCEPT | OFFSET | AFTER,
	},
	[FAULT_STALL] = {
		.name = "stall",
		.example = "stall@64k=30s",
		.help = "stop sending and reading for TIME, or for good",
		.value = VALUE_TIME,
		.triggers = ACCEPT | OFFSET | AFTER | IDLE,
		.preset_value = UINT64_MAX,
	},
	[FAULT_CORRUPT] = {
		.name = "corrupt",
		.example = "corrupt@4096=0x01",
		.help = "flip the bits MASK of the byte at OFFSET",
		.value = VALUE_MASK,
		.triggers = OFFSET,
		.preset = FAULT_AT_OFFSET,
		.preset_value = 1,
	},
	[FAULT_DROP] = {
		.name = "drop",
		.example = "drop@8k=100",
		.help = "leave out this number of bytes",
		.value = VALUE_REGION,
		.triggers = OFFSET,
		.preset = FAULT_AT_OFFSET,
		.preset_value = 1,
	},
	[FAULT_DUPLICATE] = {
		.name = "duplicate",
		.example = "duplicate@8k=100",
		.help = "send this number of bytes twice",
		.value = VALUE_REGION,
		.triggers = OFFSET,
		.preset = FAULT_AT_OFFSET,
		.preset_value = 1,
	},
	[FAULT_SWAP] = {
		.name = "swap",
		.example = "swap@8k=100",
		.help = "exchange this number of bytes with another connection",
		.value = VALUE_REGION,
		.triggers = OFFSET,
		.preset = FAULT_AT_OFFSET,
		.preset_value = 1,
	},
	[FAULT_TRUNCATE] = {
		.name = "truncate",
		.example = "truncate@1M",
		.help = "end the echo early: a FIN instead of the rest",
		.triggers = ACCEPT | OFFSET | AFTER | IDLE,
		.needs_when = true,
	},
	[FAULT_RST] = {
		.name = "rst",
		.example = "rst@1M",
		.help = "reset the connection",
		.triggers = ACCEPT | OFFSET | AFTER | AT_EOF | IDLE,
		.needs_when = true,
	},
	[FAULT_NO_HALF_CLOSE] = {
		.name = "no-half-close",
		.example = "no-half-close",
		.help = "close both directions at the client's FIN, drop what is not echoed yet",
		.triggers = ACCEPT,
	},
	[FAULT_HALF_CLOSE] = {
		.name = "half-close",
		.example = "half-close@64k",
		.help = "send a FIN first, then go on reading",
		.triggers = ACCEPT | OFFSET | AFTER | IDLE,
		.needs_when = true,
	},
	[FAULT_NO_FIN] = {
		.name = "no-fin",
		.example = "no-fin",
		.help = "never answer the client's FIN with one",
		.triggers = AT_EOF,
		.preset = FAULT_AT_EOF,
	},
	[FAULT_NO_ACCEPT] = {
		.name = "no-accept",
		.example = "no-accept=5s",
		.help = "leave a new connection unserved for TIME",
		.value = VALUE_TIME,
		.needs_value = true,
		.triggers = ACCEPT,
	},
	[FAULT_SILENT] = {
		.name = "silent",
		.example = "silent",
		.help = "read on, but echo nothing",
		.triggers = ACCEPT | OFFSET | AFTER,
	},
	[FAULT_BANNER] = {
		.name = "banner",
		.example = "banner=220 ready\\r\\n",
		.help = "send TEXT before the client has sent",
		.value = VALUE_TEXT,
		.needs_value = true,
		.triggers = ACCEPT,
	},
	[FAULT_LIMIT] = {
		.name = "limit",
		.example = "limit=100",
		.help = "accept and close what is over N connections",
		.value = VALUE_COUNT,
		.needs_value = true,
		.triggers = ACCEPT,
	},
	[FAULT_FORGET] = {
		.name = "forget",
		.example = "forget@idle=5m",
		.help = "neither read nor send any more, nor a FIN",
		.triggers = ACCEPT | OFFSET | AFTER | IDLE,
		.needs_when = true,
	},
};

const struct fault_row *fault_kind_of(enum fault_kind kind)
{
	return &rows[kind];
}

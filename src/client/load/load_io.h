/* SPDX-License-Identifier: MIT */
/*
 * Input and output of one thread's connections: connecting, sending, receiving, comparing, and the
 * end of a connection. client/load/load_loop.c decides when these happen.
 */
#ifndef CLIENT_LOAD_LOAD_IO_H
#define CLIENT_LOAD_LOAD_IO_H

#include <stdint.h>

#include "client/load/load_thread.h"

/* Begins to connect a closed slot. */
void load_io_connect(struct load_thread *thread, struct load_conn *conn);

/* Retries to connect the slots that wait for room in the queue of a unix socket. */
void load_io_retry_connects(struct load_thread *thread);

/*
 * For a slot that has been connecting for DIAL_ATTEMPT_DELAY_NS: requests another address of the
 * server, or connects to it if it is known already (RFC 8305, 5).
 */
void load_io_try_other_addr(struct load_thread *thread, struct load_conn *conn);

/* Begins as many messages as `depth` allows; in an open loop, at most the backlog. */
void load_io_begin_messages(struct load_thread *thread, struct load_conn *conn);

/* Handles epoll events of a slot. */
void load_io_event(struct load_thread *thread, struct load_conn *conn, uint32_t events);

/*
 * Handles the failure of a connection: counts its messages as failed, or a connection error if it
 * had none. Closes the slot for a pause, or for good without `reconnects`.
 */
void load_io_fail(struct load_thread *thread, struct load_conn *conn, const char *name);

/*
 * Handles the end of the run: counts the messages in flight on a slot and closes it. Messages that
 * have waited longer than wait_ns have failed; others are unfinished.
 */
void load_io_end(struct load_thread *thread, struct load_conn *conn);

#endif

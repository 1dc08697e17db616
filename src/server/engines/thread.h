/* SPDX-License-Identifier: MIT */
/*
 * A thread for each client, in one process (UNP 26.4).
 */
#ifndef SERVER_ENGINES_THREAD_H
#define SERVER_ENGINES_THREAD_H

#include "server/engine.h"

extern const struct engine engine_thread;

#endif

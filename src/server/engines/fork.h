/* SPDX-License-Identifier: MIT */
/*
 * The engine of the classic text (UNP 5.2): one child for each client.
 */
#ifndef SERVER_ENGINES_FORK_H
#define SERVER_ENGINES_FORK_H

#include "server/engine.h"

extern const struct engine engine_fork;

#endif

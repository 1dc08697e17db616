/* SPDX-License-Identifier: MIT */
/*
 * Processes that are there before their clients are (UNP 30.6): no fork for a client.
 */
#ifndef SERVER_ENGINES_PREFORK_H
#define SERVER_ENGINES_PREFORK_H

#include "server/engine.h"

extern const struct engine engine_prefork;

#endif

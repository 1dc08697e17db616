/* SPDX-License-Identifier: MIT */
/*
 * Processes started before their clients connect (UNP 30.6): no fork per client.
 */
#ifndef SERVER_ENGINES_PREFORK_H
#define SERVER_ENGINES_PREFORK_H

#include "server/engine.h"

extern const struct engine engine_prefork;

#endif

/* SPDX-License-Identifier: MIT */
/*
 * One readiness loop for many clients (epoll(7), UNP 6.8).
 */
#ifndef SERVER_ENGINES_EPOLL_H
#define SERVER_ENGINES_EPOLL_H

#include "server/engine.h"

extern const struct engine engine_epoll;

#endif

/* SPDX-License-Identifier: MIT */
/*
 * One loop for many clients, that waits until one of them is ready (epoll(7), UNP 6.8).
 */
#ifndef SERVER_ENGINES_EPOLL_H
#define SERVER_ENGINES_EPOLL_H

#include "server/engine.h"

extern const struct engine engine_epoll;

#endif

/* SPDX-License-Identifier: MIT */
/*
 * One completion ring for many clients (io_uring(7)).
 */
#ifndef SERVER_ENGINES_URING_H
#define SERVER_ENGINES_URING_H

#include "server/engine.h"

extern const struct engine engine_uring;

#endif

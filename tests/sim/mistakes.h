/* SPDX-License-Identifier: MIT */
/*
 * The echo, and classic mistakes in it, behind one interface: the simulator must accept the first
 * and find a fault in each of the others.
 */
#ifndef SIM_MISTAKES_H
#define SIM_MISTAKES_H

#include <stddef.h>

#include "echo/echo.h"

struct machine {
	const char *name;
	void (*got)(struct echo *echo, size_t n);
	void (*ended)(struct echo *echo);
	void (*sent)(struct echo *echo, size_t n);
	void (*finished)(struct echo *echo);
	void (*stop)(struct echo *echo);
	void (*failed)(struct echo *echo);
};

extern const struct machine machine_right;

/* Machines with one mistake each; the name after the last is NULL. */
extern const struct machine machines_wrong[];

#endif

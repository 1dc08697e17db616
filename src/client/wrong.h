/* SPDX-License-Identifier: MIT */
/*
 * A wrong byte has come: the sentence for it. Where nothing has ever come back right, it is perhaps
 * no echo that is spoken to, and that says more than which byte was the first to differ.
 */
#ifndef CLIENT_WRONG_H
#define CLIENT_WRONG_H

#include <stdbool.h>
#include <stddef.h>

#include "base/compiler.h"
#include "client/diagnosis.h"
#include "net/addr.h"

struct wrong_text {
	bool is_no_echo; /* another kind of server, not an echo that makes a mistake */
	char text[sizeof(((struct diagnosis *)0)->text)];
};

/*
 * server: where no message has come back whole from there, of any connection, its address; else
 * NULL. It is then asked whether it speaks first, by a connection on which nothing is sent, for a
 * moment at most.
 */
struct wrong_text wrong_say(const struct diagnosis_case *wrong, const struct addr *server);

/*
 * After a wrong byte, waits for a moment for what follows it: up to `size` bytes, at `bytes`, of
 * which n are there already. The more there are, the surer is the diagnosis. Returns how many there
 * are then.
 */
MUST_USE size_t wrong_await_more(int fd, unsigned char *bytes, size_t n, size_t size);

#endif

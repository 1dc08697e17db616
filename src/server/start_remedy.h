/* SPDX-License-Identifier: MIT */
/*
 * What an operator can do if a server cannot start, or cannot continue.
 */
#ifndef SERVER_START_REMEDY_H
#define SERVER_START_REMEDY_H

struct start_remedy {
	char text[160];
};

/*
 * Returns what to do after this error in opening what serving needs, or in starting a process or a
 * thread: " (see ulimit -u)", or "".
 */
struct start_remedy start_remedy(int code);

#endif

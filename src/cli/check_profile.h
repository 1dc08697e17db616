/* SPDX-License-Identifier: MIT */
/*
 * The profile of `check --expect`: a file, or the name of a profile that comes with the program.
 */
#ifndef CLI_CHECK_PROFILE_H
#define CLI_CHECK_PROFILE_H

#include "base/compiler.h"
#include "base/exit_status.h"
#include "client/check/profile.h"

/*
 * Reads a profile. A word without a slash that is no file here names one that comes with the
 * program: in ../share/tcpecho/profiles beside the directory of the program, or in ../profiles for
 * a program that is not installed. Returns STATUS_OK; STATUS_USAGE if it does not exist, or a
 * line is wrong; STATUS_MACHINE if it cannot be read. Errors are printed.
 */
MUST_USE enum exit_status check_profile_read(const char *word, struct profile *ret_profile);

#endif

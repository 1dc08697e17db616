/* SPDX-License-Identifier: MIT */
#include "cli/common_options.h"

#include "base/log.h"

struct output *common_output(bool is_quiet, bool has_timestamps)
{
	static struct output output; /* too large for a stack */
	output_open(&output, is_quiet, has_timestamps);
	return &output;
}

enum exit_status common_strict_status(bool is_strict, enum exit_status verdict,
				      const char *client_bound)
{
	if (verdict != STATUS_OK || !is_strict || client_bound[0] == '\0')
		return verdict;
	log_error("the client was the limit: %s", client_bound);
	return STATUS_MACHINE;
}

/* SPDX-License-Identifier: MIT */
#include "client/load/load.h"

#include "net/io.h"

int load_open(struct load *load)
{
	int rc = result_open(&load->result);
	if (rc < 0)
		return rc;
	rc = interval_buffer_open(&load->buffer);
	if (rc < 0)
		result_close(&load->result);
	return rc;
}

void load_close(struct load *load)
{
	io_close(&load->first_fd);
	if (load->wrong.is_there)
		io_close(&load->wrong.fd);
	result_close(&load->result);
	interval_buffer_close(&load->buffer);
}

bool load_explain(struct load *loads, uint32_t n, struct mismatch_text *ret_text)
{
	struct load *found = NULL;
	for (uint32_t i = 0; i < n; i++) {
		if (atomic_load(&loads[i].has_echoed))
			return false;
		if (atomic_load(&loads[i].has_evidence))
			found = &loads[i];
	}
	if (found == NULL)
		return false;
	*ret_text = mismatch_explain(&found->wrong, load_server_addr(&found->plan->server),
				     load_source(found->plan, 0));
	return true;
}

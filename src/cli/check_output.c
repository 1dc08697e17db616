/* SPDX-License-Identifier: MIT */
#include "cli/check_output.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"

/* ---- lines on standard output ---- */

/* Writes what a function writes to a stream, and waits for the reader. */
static void put_lines(struct check_output *output,
		      void (*write_to)(FILE *out, const struct check_output *output,
				       const struct check_result *result),
		      const struct check_result *result)
{
	char *bytes = NULL;
	size_t n = 0;
	FILE *stream = open_memstream(&bytes, &n);
	int rc = stream != NULL ? 0 : -ENOMEM;
	if (stream != NULL) {
		write_to(stream, output, result);
		if (fclose(stream) != 0)
			rc = -ENOMEM;
	}
	if (rc == 0)
		rc = writer_write_all(&output->out, bytes, n, &output->wait);
	free(bytes);
	if (output->code == 0)
		output->code = rc;
}

static void write_head(FILE *out, const struct check_output *output,
		       const struct check_result *result)
{
	(void)result;
	verdict_write_head(out, output->line_format, output->run);
}

static void write_result(FILE *out, const struct check_output *output,
			 const struct check_result *result)
{
	verdict_write_result(out, output->line_format, output->run, result, output->n_written);
}

static void write_end(FILE *out, const struct check_output *output,
		      const struct check_result *result)
{
	(void)result;
	/* Text and TAP need no memory of their own. */
	ignore_result(verdict_write_end(out, output->line_format, output->run));
}

/* ---- progress ---- */

static void clear_progress(struct check_output *output)
{
	static const char clear[] = "\r\033[K";
	if (output->is_progress_shown)
		log_progress(clear, sizeof(clear) - 1);
	output->is_progress_shown = false;
}

void check_output_progress(struct check_output *output, size_t n_ended, const char *running)
{
	char line[128];
	if (!output->log.is_terminal || running == NULL)
		return;
	int n = snprintf(line, sizeof(line), "\r\033[K%zu of %zu checks ended, %s is running",
			 n_ended, output->run->n_selected, running);
	log_progress(line, (size_t)n);
	output->is_progress_shown = true;
}

/* ---- all ---- */

static bool is_by_line(enum verdict_format format)
{
	return format == VERDICT_TEXT || format == VERDICT_TAP;
}

enum exit_status check_output_open(struct check_output *ret_output, const struct verdict_run *run,
				   enum verdict_format format, const char *path, int signals_fd)
{
	bool is_stdout = path == NULL || strcmp(path, "-") == 0;
	*ret_output = (struct check_output){
		.run = run,
		.wait.signals_fd = signals_fd,
		.path = path != NULL ? path : "-",
		.has_lines = !is_stdout || is_by_line(format),
		.has_document = !is_stdout || !is_by_line(format),
		.line_format = is_stdout ? format : VERDICT_TEXT,
		.document_format = format,
	};
	if (ret_output->has_document) {
		int rc = file_draft(ret_output->path, &ret_output->document);
		if (rc < 0)
			return writer_status(rc, ret_output->path, NULL);
		verdict_write_head(ret_output->document.file, format, run);
	}
	writer_open_log(&ret_output->log);
	if (ret_output->has_lines) {
		writer_open(STDOUT_FILENO, WRITER_ANY_FILE, &ret_output->out);
		put_lines(ret_output, write_head, NULL);
	}
	return STATUS_OK;
}

bool check_output_result(struct check_output *output, const struct check_result *result)
{
	clear_progress(output);
	output->n_written++;
	if (output->has_document)
		verdict_write_result(output->document.file, output->document_format, output->run,
				     result, output->n_written);
	if (output->has_lines)
		put_lines(output, write_result, result);
	return output->code == 0;
}

static int close_document(struct check_output *output)
{
	int rc = verdict_write_end(output->document.file, output->document_format, output->run);
	if (rc == 0)
		return file_keep(&output->document, &output->wait);
	file_drop(&output->document);
	return rc;
}

enum exit_status check_output_close(struct check_output *output)
{
	enum exit_status status = STATUS_OK;
	clear_progress(output);
	if (output->has_lines) {
		if (output->code == 0)
			put_lines(output, write_end, NULL);
		int finished = writer_finish(&output->out, &output->wait);
		if (output->code == 0)
			output->code = finished;
	}
	if (output->code < 0)
		status = writer_status(output->code, "-", &output->wait);
	if (output->has_document) {
		int rc = close_document(output);
		if (rc < 0)
			status = writer_status(rc, output->path, &output->wait);
	}
	writer_close_log(&output->log);
	return status;
}

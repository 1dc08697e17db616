/* SPDX-License-Identifier: MIT */
#include "cli/check_output.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"

/* ---- lines on standard output ---- */

/* Lines that are being put together. `stream` is NULL if there is no memory. */
struct lines {
	FILE *stream;
	char *bytes;
	size_t n;
};

static void begin_lines(struct lines *ret_lines)
{
	*ret_lines = (struct lines){ 0 };
	ret_lines->stream = open_memstream(&ret_lines->bytes, &ret_lines->n);
}

/* Writes the lines to standard output, waits for its reader, and frees them. */
static void end_lines(struct check_output *output, struct lines *lines)
{
	int rc = lines->stream == NULL || fclose(lines->stream) != 0 ? -ENOMEM : 0;
	if (rc == 0)
		rc = writer_write_all(&output->out, lines->bytes, lines->n, &output->wait);
	free(lines->bytes);
	if (output->code == 0)
		output->code = rc;
}

static void put_head(struct check_output *output)
{
	struct lines lines;
	begin_lines(&lines);
	if (lines.stream != NULL)
		verdict_write_head(lines.stream, output->line_format, output->run);
	end_lines(output, &lines);
}

static void put_result(struct check_output *output, const struct check_result *result)
{
	struct lines lines;
	begin_lines(&lines);
	if (lines.stream != NULL)
		verdict_write_result(lines.stream, output->line_format, output->run, result,
				     output->n_written);
	end_lines(output, &lines);
}

static void put_end(struct check_output *output)
{
	struct lines lines;
	begin_lines(&lines);
	/* Only JSON can fail, and it has no lines. */
	if (lines.stream != NULL)
		ignore_result(verdict_write_end(lines.stream, output->line_format, output->run));
	end_lines(output, &lines);
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
		put_head(ret_output);
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
		put_result(output, result);
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
			put_end(output);
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

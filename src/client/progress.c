/* SPDX-License-Identifier: MIT */
#include "client/progress.h"

#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/units.h"

#define FIRST_AFTER_NS CLOCK_NS_PER_S
#define NEXT_AFTER_NS  (200 * CLOCK_NS_PER_MS)

/* All lines have the same width, because a line overwrites the last. */
#define LINE_WIDTH 40

static uint64_t rest_of_file(int fd)
{
	struct stat status;
	if (fstat(fd, &status) < 0 || !S_ISREG(status.st_mode))
		return 0;
	off_t at = lseek(fd, 0, SEEK_CUR);
	return at >= 0 && at < status.st_size ? (uint64_t)(status.st_size - at) : 0;
}

struct progress progress_start(int input_fd, int output_fd)
{
	uint64_t now_ns = clock_now_ns();
	return (struct progress){
		.wanted = isatty(STDERR_FILENO) && !isatty(input_fd) && !isatty(output_fd),
		.start_ns = now_ns,
		.next_ns = now_ns + FIRST_AFTER_NS,
		.expected = rest_of_file(input_fd),
	};
}

uint64_t progress_deadline_ns(const struct progress *progress)
{
	return progress->wanted ? progress->next_ns : CLOCK_NEVER;
}

static void put_progress_line(const char *text)
{
	char line[LINE_WIDTH + 8];
	int n = snprintf(line, sizeof(line), "\r%-*.*s", LINE_WIDTH, LINE_WIDTH, text);
	log_progress(line, (size_t)n);
}

void progress_show(struct progress *progress, uint64_t bytes)
{
	uint64_t now_ns = clock_now_ns();
	if (!progress->wanted || now_ns < progress->next_ns)
		return;
	progress->next_ns = now_ns + NEXT_AFTER_NS;
	progress->is_shown = true;

	double seconds = (double)(now_ns - progress->start_ns) / (double)CLOCK_NS_PER_S;
	char text[2 * LINE_WIDTH], share[16] = "";
	if (progress->expected > 0)
		snprintf(share, sizeof(share), "  %" PRIu64 " %%",
			 bytes < progress->expected ? bytes * 100 / progress->expected : 100);
	snprintf(text, sizeof(text), "%s  %s/s%s", units_bytes(bytes).text,
		 units_bytes((uint64_t)((double)bytes / seconds)).text, share);
	put_progress_line(text);
}

void progress_clear(struct progress *progress)
{
	if (!progress->is_shown)
		return;
	put_progress_line("");
	log_progress("\r", 1);
	progress->is_shown = false;
}

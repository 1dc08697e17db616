/* SPDX-License-Identifier: MIT */
/*
 * The happy path: connect; then, all at the same time, input goes to the server, what comes back is
 * compared and goes to the output; the input ends, so we half-close (FIN); the rest comes back; the
 * server's FIN; every byte was returned.
 *
 * What else can happen: no address answers; the server ends or resets before all came back; a byte
 * differs, or was never sent; nothing comes back for too long; the input cannot be read, the output
 * not be written; the output's reader is gone.
 *
 * A proxy may close both directions at our FIN, and the rest of the echo is lost with it. The
 * verdict says so where it may have happened; with --no-half-close the FIN is sent when everything
 * is back.
 *
 * Why it cannot deadlock: no step ever waits for one thing alone. Reading input, sending, receiving
 * and writing output each go on as soon as they can, and the only one that waits for another is
 * input for room in the window, which an echo frees because all of it has been sent.
 */
#include "client/talk.h"

#include <errno.h>
#include <inttypes.h>
#include <langinfo.h>
#include <locale.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/escape.h"
#include "base/log.h"
#include "base/exit_status.h"
#include "base/units.h"
#include "client/dial.h"
#include "client/peer_fingerprint.h"
#include "client/first_reply.h"
#include "client/progress.h"
#include "client/window.h"
#include "net/io.h"
#include "net/signals.h"
#include "net/writer.h"

#define RECEIVE_SIZE ((size_t)64 * 1024)

struct talk {
	IO_ALIGNED unsigned char received[RECEIVE_SIZE];

	const struct talk_config *config;
	int fd;

	struct window window;
	bool input_ended;
	bool end_sent; /* our FIN is out */
	int send_code; /* why the server takes no more; what it sent before is still to be read */

	bool over;               /* the verdict is known, all that is left is the output */
	enum exit_status status; /* the verdict */
	char verdict[256];       /* and its sentence, empty for STATUS_OK */
	bool server_ended;       /* by a FIN or a reset */

	struct first_reply first_reply;

	const char *output; /* what came back and is not written yet */
	size_t output_size;
	struct writer out, log;
	bool escaping; /* the output is a terminal */
	struct escape escape;

	uint64_t waiting_since_ns; /* since when something is due and nothing has come */
	struct progress progress;

	char shown[ESCAPE_ROOM(RECEIVE_SIZE)]; /* its pages exist only once a terminal needs them */
};

/* Ends the conversation with a verdict. The first one counts. */
PRINTF_LIKE(3, 4)
static void talk_end_with(struct talk *talk, enum exit_status status, const char *format, ...)
{
	if (talk->over)
		return;
	talk->over = true;
	talk->status = status;
	va_list values;
	va_start(values, format);
	vsnprintf(talk->verdict, sizeof(talk->verdict), format, values);
	va_end(values);
}

/* What is added to a verdict. */
struct reason {
	char text[sizeof(((struct peer_fingerprint *)0)->text) + 8];
};

/* How much of the input that was read so far has come back, for a verdict. */
struct came_back {
	char text[80];
};

static struct came_back came_back(const struct talk *talk)
{
	struct came_back out;
	snprintf(out.text, sizeof(out.text), "%" PRIu64 " of %" PRIu64 " byte%s came back",
		 talk->window.returned, talk->window.taken, units_s(talk->window.taken));
	return out;
}

static void judge_error(struct talk *talk, int code)
{
	bool is_reset = code == -ECONNRESET || code == -EPIPE;
	talk->server_ended = is_reset;
	talk_end_with(talk, STATUS_ECHO_FAILED, "%s: %s",
		      is_reset ? "server reset the connection" : err_text(code).text,
		      came_back(talk).text);
}

/* ---- input and sending ---- */

static void note_due(struct talk *talk)
{
	if (window_in_flight(&talk->window) == 0 && !talk->end_sent)
		talk->waiting_since_ns = clock_now_ns();
}

/* Half-closes. A server that does not hear of our end would never come to its own. */
static void send_end(struct talk *talk)
{
	note_due(talk);
	talk->end_sent = true;
	int rc = io_send_end(talk->fd);
	if (rc < 0)
		judge_error(talk, rc);
}

/*
 * Nothing more can be sent. The verdict, and what came back before it, is for the receiving side;
 * and lest it waits for a server that is there still (no memory, a firewall), our end goes out.
 */
static void give_up_sending(struct talk *talk, int code)
{
	talk->send_code = code;
	send_end(talk);
}

/* Everything is sent, and with --no-half-close everything is back. */
static void send_end_if_due(struct talk *talk)
{
	const struct window *window = &talk->window;
	uint64_t first = talk->config->no_half_close ? window->returned : window->sent;
	if (talk->input_ended && first == window->taken && !talk->end_sent)
		send_end(talk);
}

static void talk_send_unsent(struct talk *talk)
{
	const unsigned char *bytes;
	size_t size;
	while (talk->send_code == 0 && (size = window_unsent(&talk->window, &bytes)) > 0) {
		ssize_t n = io_send(talk->fd, bytes, size);
		if (n == -EAGAIN)
			return;
		if (n < 0) {
			give_up_sending(talk, (int)n);
			return;
		}
		note_due(talk);
		window_send(&talk->window, (size_t)n);
	}

	send_end_if_due(talk);
}

static void take_input(struct talk *talk)
{
	unsigned char *room;
	size_t size = window_room(&talk->window, &room);
	ssize_t n = io_read(STDIN_FILENO, room, size < RECEIVE_SIZE ? size : RECEIVE_SIZE);
	if (n > 0)
		window_take(&talk->window, (size_t)n);
	else if (n == 0)
		talk->input_ended = true;
	else if (n != -EAGAIN)
		talk_end_with(talk, STATUS_MACHINE, "cannot read standard input: %s",
			      err_text((int)n).text);
}

/* ---- receiving and output ---- */

/* Has everything come back that ever will? Then only the server's FIN is missing. */
static bool is_all_back(const struct talk *talk)
{
	return talk->end_sent && talk->window.returned == talk->window.taken;
}

static void give_output(struct talk *talk, const void *bytes, size_t size)
{
	talk->output = bytes;
	talk->output_size = size;
	if (!talk->escaping)
		return;
	talk->output = talk->shown;
	talk->output_size = escape_bytes(&talk->escape, bytes, size, talk->shown);
}

static void talk_verify(struct talk *talk, size_t n)
{
	struct window *window = &talk->window;
	uint64_t before = window->returned;
	unsigned char sent = 0;
	enum window_verdict verdict = window_return(window, talk->received, n, &sent);
	if (verdict == WINDOW_SAME)
		return;

	unsigned char got = talk->received[window->returned - before];
	if (verdict == WINDOW_DIFFERS)
		talk_end_with(talk, STATUS_ECHO_FAILED,
			      "byte %" PRIu64 " differs: sent 0x%02x, got 0x%02x", window->returned,
			      sent, got);
	else
		talk_end_with(talk, STATUS_ECHO_FAILED,
			      "byte %" PRIu64 " was never sent: got 0x%02x", window->returned, got);
}

/* The server has been silent for too long. */
static void talk_judge_silence(struct talk *talk)
{
	struct units_text timeout = units_duration(talk->config->timeout_ns);
	talk_end_with(talk, STATUS_ECHO_FAILED, "%s %s: %s",
		      is_all_back(talk) ? "server did not end within" : "no reply for",
		      timeout.text, came_back(talk).text);
}

/* The server has ended its half. */
static void judge_end(struct talk *talk)
{
	talk->server_ended = true;
	if (is_all_back(talk))
		talk_end_with(talk, STATUS_OK, "%s", "");
	else if (talk->send_code != 0 && talk->send_code != -EPIPE)
		judge_error(talk, talk->send_code); /* send(2) met it first, and used it up */
	else
		talk_end_with(talk, STATUS_ECHO_FAILED, "server ended early: %s%s",
			      came_back(talk).text,
			      talk->input_ended || talk->window.returned < talk->window.taken
				      ? ""
				      : ", before the end of input");
}

static void talk_receive(struct talk *talk)
{
	ssize_t n = io_recv(talk->fd, talk->received, RECEIVE_SIZE);
	if (n == -EAGAIN)
		return;
	talk->waiting_since_ns = clock_now_ns();
	if (n > 0) {
		first_reply_add(&talk->first_reply, talk->received, (size_t)n);
		talk_verify(talk, (size_t)n);
		give_output(talk, talk->received, (size_t)n);
	} else if (n == 0) {
		judge_end(talk);
	} else {
		judge_error(talk, (int)n);
	}
}

/*
 * Whoever reads our output is gone: `talk | head -1`. Nobody wants the rest, and that is no reason
 * for a word; but a verdict that is known already is told.
 */
static void lose_reader(struct talk *talk)
{
	if (!talk->over || talk->status == STATUS_OK) {
		progress_clear(&talk->progress);
		signals_die_of(SIGPIPE);
	}
	talk->output_size = 0;
	talk->escape.n_held = 0;
}

static void write_output(struct talk *talk)
{
	ssize_t n = writer_write(&talk->out, talk->output, talk->output_size);
	if (n == -EPIPE)
		lose_reader(talk);
	if (n == -EPIPE || n == -EAGAIN)
		return;
	if (n < 0) {
		talk->output_size = 0;
		talk->over = false; /* whatever the echo was worth, its output is lost */
		talk_end_with(talk, STATUS_MACHINE, "cannot write standard output: %s",
			      err_text((int)n).text);
		return;
	}
	talk->output += n;
	talk->output_size -= (size_t)n;
	if (talk->output_size == 0) /* only now do we listen again */
		talk->waiting_since_ns = clock_now_ns();
}

/* ---- waiting ---- */

/* When the server has been silent for too long, while something was due from it. */
static uint64_t silence_deadline_ns(const struct talk *talk)
{
	bool due = window_in_flight(&talk->window) > 0 || talk->end_sent;
	bool ours = talk->output_size > 0; /* we are not listening: our output is stuck */
	if (talk->config->timeout_ns == 0 || !due || ours || talk->over)
		return CLOCK_NEVER;
	return talk->waiting_since_ns + talk->config->timeout_ns;
}

enum { INPUT, OUTPUT, SERVER, N_FDS };

/* A negative descriptor is passed over: what we would not read must not wake us by its hang-up. */
static void choose_events(struct talk *talk, struct pollfd fds[N_FDS])
{
	unsigned char *room;
	const unsigned char *unsent;
	bool takes = !talk->over && !talk->input_ended && window_room(&talk->window, &room) > 0;
	bool sends =
		!talk->over && talk->send_code == 0 && window_unsent(&talk->window, &unsent) > 0;
	bool receives = !talk->over && talk->output_size == 0;

	fds[INPUT] = (struct pollfd){ .fd = takes ? STDIN_FILENO : -1, .events = POLLIN };
	/* Its error comes unasked for: we learn that its reader is gone though nothing is due. */
	fds[OUTPUT] = writer_pollfd(&talk->out, talk->output_size > 0);
	fds[SERVER] = (struct pollfd){
		.fd = sends || receives ? talk->fd : -1,
		.events = (short)((sends ? POLLOUT : 0) | (receives ? POLLIN : 0)),
	};
}

MUST_USE static int talk_wait_for_events(struct talk *talk, struct pollfd fds[N_FDS])
{
	choose_events(talk, fds);
	uint64_t silence_ns = silence_deadline_ns(talk);
	uint64_t deadline_ns = clock_earlier_ns(silence_ns, progress_deadline_ns(&talk->progress));
	uint64_t retry_ns = writer_retry_ns(&talk->out, talk->output_size > 0);
	deadline_ns = clock_earlier_ns(deadline_ns, retry_ns);
	int ready = io_wait(fds, N_FDS, deadline_ns);
	/*
	 * Nothing was there at that deadline. Later there may be: we may have been stopped since.
	 */
	if (ready == 0 && deadline_ns == silence_ns)
		talk_judge_silence(talk);
	return ready;
}

/* ---- the conversation ---- */

/* Is there output to write? At the end that is also a character of which the rest never came. */
static bool has_output(struct talk *talk)
{
	if (talk->over && talk->output_size == 0 && talk->escape.n_held > 0) {
		talk->output = talk->shown;
		talk->output_size = escape_end(&talk->escape, talk->shown);
	}
	return talk->output_size > 0;
}

MUST_USE static int converse(struct talk *talk)
{
	struct pollfd fds[N_FDS];
	while (!talk->over || has_output(talk)) {
		int rc = talk_wait_for_events(talk, fds);
		if (rc < 0)
			return rc;
		if (fds[OUTPUT].revents & (POLLERR | POLLHUP))
			lose_reader(talk);
		bool may_write = fds[OUTPUT].revents != 0 || talk->out.retry_ns != 0;
		if (may_write && talk->output_size > 0)
			write_output(talk);
		if (fds[INPUT].revents != 0)
			take_input(talk);
		if (!talk->over)
			talk_send_unsent(talk);
		if (fds[SERVER].revents & ~POLLOUT && talk->output_size == 0 && !talk->over)
			talk_receive(talk);
		if (!talk->over)
			send_end_if_due(talk);
		progress_show(&talk->progress, talk->window.returned);
	}
	return 0;
}

/* ---- the reason ---- */

/* Says why the echo failed, where that is known beyond the verdict. */
static struct reason talk_reason_of(struct talk *talk)
{
	struct reason reason = { "" };
	struct peer_fingerprint endpoint;
	bool is_cut = talk->server_ended && talk->window.returned < talk->window.taken;
	if (talk->status != STATUS_ECHO_FAILED)
		return reason;
	if (talk->first_reply.n > talk->window.returned && !talk->server_ended)
		first_reply_await(&talk->first_reply, talk->fd);
	if (first_reply_name(&talk->first_reply, &talk->window, talk->server_ended, &endpoint))
		snprintf(reason.text, sizeof(reason.text), " (%s)", endpoint.text);
	else if (is_cut && talk->end_sent && talk->send_code == 0)
		snprintf(reason.text, sizeof(reason.text),
			 " (after our FIN: %sperhaps a proxy that has no half-close; "
			 "try --no-half-close)",
			 talk->window.returned == 0 ? "no echo server, or " : "");
	return reason;
}

/* Does the terminal show UTF-8? The locale says so (locale(7)). */
static bool is_utf8_terminal(void)
{
	setlocale(LC_CTYPE, "");
	return strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
}

MUST_USE static enum exit_status talk_on(const struct talk_config *config, int fd)
{
	/* A megabyte, too large for the stack; zero, and its pages come only as they are used. */
	static struct talk talk;
	talk.config = config;
	talk.fd = fd;
	talk.progress = progress_start(STDIN_FILENO, STDOUT_FILENO);
	writer_open(STDOUT_FILENO, WRITER_ANY_FILE, &talk.out);
	writer_open_log(&talk.log);
	talk.escaping = !config->raw && talk.out.is_terminal;
	talk.escape.keep_layout = true;
	talk.escape.utf8 = is_utf8_terminal();
	int rc = converse(&talk);
	progress_clear(&talk.progress);
	int finished = writer_finish(&talk.out, NULL);
	talk.over &= rc >= 0; /* whatever the verdict was */
	if (rc < 0)
		talk_end_with(&talk, STATUS_MACHINE, "cannot wait for events: %s",
			      err_text(rc).text);
	if (finished < 0)
		talk.status = writer_status(finished, "-", NULL);
	else if (talk.verdict[0] != '\0')
		log_error("%s%s", talk.verdict, talk_reason_of(&talk).text);
	writer_close_log(&talk.log);
	return talk.status;
}

enum exit_status talk_run(const struct talk_config *config)
{
	signals_setup_client();
	const struct dial_request request = {
		.server = &config->server,
		.family = config->family,
		.timeout_ns = config->timeout_ns,
	};
	struct dialed dialed = dial(&request);
	if (dialed.fd < 0)
		return dial_explain(&request, dialed.fd);
	enum exit_status status = talk_on(config, dialed.fd);
	io_close(&dialed.fd);
	return status;
}

/* SPDX-License-Identifier: MIT */
/*
 * The happy path: connect. Then, all at the same time, input is sent to the server, and what comes
 * back is compared and written to the output. When the input ends, we half-close (FIN). The rest
 * comes back, then the server's FIN, and every byte was returned.
 *
 * What else can happen: no address answers; the server closes or resets before everything came
 * back; a byte differs, or was never sent; nothing comes back within the timeout; the input cannot
 * be read, or the output not written; the reader of the output is gone.
 *
 * A proxy may close both directions at our FIN, which loses the rest of the echo. The verdict says
 * so where this may have happened. With --no-half-close the FIN is sent when everything is back.
 *
 * Why it cannot deadlock: no step ever waits for one event alone. Reading input, sending, receiving
 * and writing output each continue as soon as they can. Only input waits for another step: for room
 * in the window. An echo frees this room, because all bytes in the window are sent.
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
#include "base/exit_status.h"
#include "base/log.h"
#include "base/units.h"
#include "client/dial.h"
#include "client/first_reply.h"
#include "client/peer_fingerprint.h"
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
	bool end_sent; /* our FIN is sent */
	int send_code; /* why sending failed; what the server sent before is still read */

	bool over;               /* the verdict is known; only the output is left */
	enum exit_status status; /* exit status of the verdict */
	char verdict[256];       /* sentence of the verdict, empty for STATUS_OK */
	bool server_ended;       /* by FIN or reset */

	struct first_reply first_reply;

	const char *output; /* received bytes that are not written yet */
	size_t output_size;
	struct writer out, log;
	bool escaping; /* the output is a terminal */
	struct escape escape;

	uint64_t waiting_since_ns; /* since when bytes are due and none have come */
	struct progress progress;

	char shown[ESCAPE_ROOM(RECEIVE_SIZE)]; /* pages are allocated only if used */
};

/* Ends the conversation with a verdict. The first verdict counts. */
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

/* An addition to a verdict. */
struct reason {
	char text[sizeof(((struct peer_fingerprint *)0)->text) + 8];
};

/* The number of input bytes read so far and of those that came back, for a verdict. */
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

static void end_by_error(struct talk *talk, int code)
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

/* Half-closes. Without our FIN, the server would never send its own. */
static void send_end(struct talk *talk)
{
	note_due(talk);
	talk->end_sent = true;
	int rc = io_send_end(talk->fd);
	if (rc < 0)
		end_by_error(talk, rc);
}

/*
 * Handles a failed send. The receiving side decides the verdict and reads what came back before.
 * Our FIN is sent because the server may still run (no memory here, a firewall) and must end.
 */
static void give_up_sending(struct talk *talk, int code)
{
	talk->send_code = code;
	send_end(talk);
}

/* Sends our FIN if everything is sent, and with --no-half-close everything is back. */
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

static void read_input(struct talk *talk)
{
	unsigned char *room;
	size_t size = window_room(&talk->window, &room);
	ssize_t n = io_read(STDIN_FILENO, room, size < RECEIVE_SIZE ? size : RECEIVE_SIZE);
	if (n > 0)
		window_add(&talk->window, (size_t)n);
	else if (n == 0)
		talk->input_ended = true;
	else if (n != -EAGAIN)
		talk_end_with(talk, STATUS_MACHINE, "cannot read standard input: %s",
			      err_text((int)n).text);
}

/* ---- receiving and output ---- */

/* Returns true if everything has come back, and only the server's FIN is missing. */
static bool is_all_back(const struct talk *talk)
{
	return talk->end_sent && talk->window.returned == talk->window.taken;
}

static void set_output(struct talk *talk, const void *bytes, size_t size)
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
	enum window_verdict verdict = window_verify(window, talk->received, n, &sent);
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

/* Sets the verdict for a server that sent nothing within the timeout. */
static void end_by_silence(struct talk *talk)
{
	struct units_text timeout = units_duration(talk->config->timeout_ns);
	talk_end_with(talk, STATUS_ECHO_FAILED, "%s %s: %s",
		      is_all_back(talk) ? "server did not end within" : "no reply for",
		      timeout.text, came_back(talk).text);
}

/* Sets the verdict when the server has half-closed. */
static void end_by_fin(struct talk *talk)
{
	talk->server_ended = true;
	if (is_all_back(talk))
		talk_end_with(talk, STATUS_OK, "%s", "");
	else if (talk->send_code != 0 && talk->send_code != -EPIPE)
		end_by_error(talk, talk->send_code); /* send(2) got the error first */
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
		set_output(talk, talk->received, (size_t)n);
	} else if (n == 0) {
		end_by_fin(talk);
	} else {
		end_by_error(talk, (int)n);
	}
}

/*
 * Handles that the reader of standard output is gone, as in `talk | head -1`. This is no error, so
 * the process ends by SIGPIPE without a message. A verdict that is already known is still printed.
 */
static void handle_lost_reader(struct talk *talk)
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
		handle_lost_reader(talk);
	if (n == -EPIPE || n == -EAGAIN)
		return;
	if (n < 0) {
		talk->output_size = 0;
		talk->over = false; /* replace the verdict: its output is lost */
		talk_end_with(talk, STATUS_MACHINE, "cannot write standard output: %s",
			      err_text((int)n).text);
		return;
	}
	talk->output += n;
	talk->output_size -= (size_t)n;
	if (talk->output_size == 0) /* receiving resumes only now */
		talk->waiting_since_ns = clock_now_ns();
}

/* ---- waiting ---- */

/* Returns when the server will have been silent for the timeout while bytes were due. */
static uint64_t silence_deadline_ns(const struct talk *talk)
{
	bool due = window_in_flight(&talk->window) > 0 || talk->end_sent;
	bool ours = talk->output_size > 0; /* output is blocked, so nothing is received */
	if (talk->config->timeout_ns == 0 || !due || ours || talk->over)
		return CLOCK_NEVER;
	return talk->waiting_since_ns + talk->config->timeout_ns;
}

enum { INPUT, OUTPUT, SERVER, N_FDS };

/*
 * Chooses the events to wait for. poll(2) ignores a negative descriptor, so a hang-up on an unused
 * one does not wake us.
 */
static void choose_events(struct talk *talk, struct pollfd fds[N_FDS])
{
	unsigned char *room;
	const unsigned char *unsent;
	bool takes = !talk->over && !talk->input_ended && window_room(&talk->window, &room) > 0;
	bool sends =
		!talk->over && talk->send_code == 0 && window_unsent(&talk->window, &unsent) > 0;
	bool receives = !talk->over && talk->output_size == 0;

	fds[INPUT] = (struct pollfd){ .fd = takes ? STDIN_FILENO : -1, .events = POLLIN };
	/*
	 * POLLERR is always reported: it shows that the reader is gone even if nothing is to be
	 * written.
	 */
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
	 * Decide by the result of poll(2), not by the clock: if this process was stopped, a reply
	 * may have arrived meanwhile.
	 */
	if (ready == 0 && deadline_ns == silence_ns)
		end_by_silence(talk);
	return ready;
}

/* ---- the conversation ---- */

/* Returns true if there is output to write. At the end this includes an incomplete character. */
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
			handle_lost_reader(talk);
		bool may_write = fds[OUTPUT].revents != 0 || talk->out.retry_ns != 0;
		if (may_write && talk->output_size > 0)
			write_output(talk);
		if (fds[INPUT].revents != 0)
			read_input(talk);
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

/* Returns the reason why the echo failed, if more than the verdict is known. */
static struct reason talk_reason_of(struct talk *talk)
{
	struct reason reason = { "" };
	struct peer_fingerprint endpoint;
	bool is_cut = talk->server_ended && talk->window.returned < talk->window.taken;
	if (talk->status != STATUS_ECHO_FAILED)
		return reason;
	if (talk->first_reply.n > talk->window.returned && !talk->server_ended)
		first_reply_await(&talk->first_reply, talk->fd);
	if (first_reply_identify(&talk->first_reply, &talk->window, talk->server_ended, &endpoint))
		snprintf(reason.text, sizeof(reason.text), " (%s)", endpoint.text);
	else if (is_cut && talk->end_sent && talk->send_code == 0)
		snprintf(reason.text, sizeof(reason.text),
			 " (after our FIN: %sperhaps a proxy that has no half-close; "
			 "try --no-half-close)",
			 talk->window.returned == 0 ? "no echo server, or " : "");
	return reason;
}

/* Returns true if the terminal shows UTF-8, by the locale (locale(7)). */
static bool is_utf8_terminal(void)
{
	setlocale(LC_CTYPE, "");
	return strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
}

MUST_USE static enum exit_status run_talk(const struct talk_config *config, int fd)
{
	/* 1 MiB, too large for the stack. Zeroed, so pages are allocated only when used. */
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
	talk.over &= rc >= 0; /* a failed wait replaces the verdict */
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
		return dial_log_failure(&request, dialed.fd);
	enum exit_status status = run_talk(config, dialed.fd);
	io_close(&dialed.fd);
	return status;
}

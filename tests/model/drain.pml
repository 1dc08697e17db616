/* SPDX-License-Identifier: MIT */
/*
 * The end: a server gets TERM while clients keep connecting.
 *
 *   client    begins a handshake, then is in the accept queue; and perhaps again and again (a flood),
 *             until it is refused. Its child: the client ends by itself, or never, or the child hangs
 *   operator  sends TERM, and perhaps INT, at any time
 *   time      lets handshakes finish, and lets the drain timeout and the abort timeout expire
 *   server    the loop (server/engines/fork.c) with the phases (server/drain.c), the signals
 *             (server/control.c), the listening socket (server/listen_drain.c, net/listen.c) and
 *             admission (server/admission.c)
 *
 * INT is a second request. The model does not contain that TERM and INT sent at once are one
 * request (signals_is_new_request()).
 *
 * The model has three worlds. TIMED: clients may stay and come for ever, and time runs out. WILD:
 * the same, but the timeout never comes, only perhaps a second signal. TAME: it never comes, and
 * clients come once and end by themselves.
 *
 * Promised:
 *   - no connection is reset: one in the queue, or in a handshake that has begun, is served, or
 *     gets a FIN when the drain timeout or a second signal comes. Only where the server ends in a
 *     hurry, by a second signal or because a child hangs, a handshake may not finish in time;
 *   - no connection that was accepted is lost;
 *   - no client is sent away before the timeout or a second signal, and a child is killed only by a
 *     second signal, or because it hangs;
 *   - when the server ends, no child, no zombie and no count is left;
 *   - it ends (ltl): with time, with a second signal, or when tame clients have ended.
 *
 * The model assumes that a handshake takes no longer than the time it is given
 * (LISTEN_DRAIN_SETTLE_NS).
 */
#ifndef CLIENTS
#define CLIENTS 3
#endif
#define MOST            2 /* --max-clients */
#define MOST_PER_SOURCE 1 /* --max-per-source */
#define BUDGET          1 /* ADMISSION_BUDGET */
#ifndef WORLD
#define WORLD TIMED
#endif

mtype = { TIMED, WILD, TAME };
mtype = { AWAY, SHAKES, QUEUED, WAITS, SERVED, KILLED, ENDED, GONE }; /* where a client is */
/* what the client does, or its child */
mtype = { LEAVES, STAYS, HANGS };
mtype = { SERVING, DRAINING, ABORTING, KILLING };          /* enum drain_phase */

/* ---- the kernel ---- */

chan queue = [CLIENTS] of { byte };
bool listening = true;
bool stopped;             /* new connections are refused: listen_stop() */
bool term, intr, sigchld; /* pending or not */
bool zombie[CLIENTS];
bool forks_well;          /* the first fork after TERM is refused */

/* ---- the server ---- */

mtype phase = SERVING;
byte count;
byte of_source[2];
bool paused;
chan wait_queue = [CLIENTS] of { byte };
bool shutdown_pipe_signal;

/* ---- variables of the properties ---- */

mtype where[CLIENTS] = AWAY;
mtype kind[CLIENTS];
byte shaking;           /* handshakes that have begun */
byte heeding;           /* children that react to the shutdown pipe */
bool time_is_up;        /* the deadline of the phase has come */
bool asked_twice, must_end, over;

ltl ends { [] (must_end -> <> over) }

#define SOURCE(c)      (c > 0) /* the first client has its own */
#define OVER_SOURCE(c) (of_source[SOURCE(c)] >= MOST_PER_SOURCE)
#define IS_OPEN        (count < MOST && !paused && phase != ABORTING && phase != KILLING)
#define IN_A_HURRY     (phase == KILLING)

/* The conversation is over; in a flood the client comes again. */
inline gone(c)
{
	where[c] = (WORLD == TAME -> GONE : AWAY);
	kind[c] = 0
}

inline exit()
{
	where[_pid] = ENDED;
	heeding = heeding - (kind[_pid] != HANGS);
	zombie[_pid] = true;
	sigchld = true
}

/* The first processes: their numbers are the clients'. */
active [CLIENTS] proctype client()
{
end:	do
	/* the client: its SYN is answered, and then its ACK comes */
	:: atomic { where[_pid] == AWAY && listening && !stopped ->
		if
		:: kind[_pid] = LEAVES
		:: WORLD != TAME -> kind[_pid] = STAYS
		:: WORLD != TAME -> kind[_pid] = HANGS
		fi;
		printf("client %d connects, and %e\n", _pid, kind[_pid]);
		shaking++;
		where[_pid] = SHAKES }
	:: atomic { where[_pid] == SHAKES && listening ->
		shaking--;
		where[_pid] = QUEUED;
		queue!_pid }
	:: atomic { where[_pid] == SHAKES && !listening ->
		printf("kernel: resets client %d\n", _pid);
		assert(IN_A_HURRY);
		shaking--;
		gone(_pid) }
	/* the client's child */
	:: atomic { where[_pid] == SERVED && kind[_pid] == LEAVES ->
		printf("child %d: its client is done, exit\n", _pid);
		exit() }
	:: atomic { where[_pid] == SERVED && kind[_pid] != HANGS && shutdown_pipe_signal ->
		printf("child %d: aborted, FIN, exit\n", _pid);
		assert(phase != DRAINING);
		exit() }
	:: atomic { where[_pid] == KILLED -> exit() }
	od
}

active proctype operator()
{
	atomic {
		printf("operator: TERM\n");
		term = true;
		must_end = (WORLD != WILD)
	}
	if
	:: atomic { printf("operator: INT\n"); intr = true; asked_twice = true; must_end = true }
	:: true
	fi
}

/*
 * The user sets the drain timeout. The abort timeout is longer than any child needs that heeds the
 * shutdown pipe.
 */
active proctype time()
{
end:	do
	:: atomic { WORLD == TIMED && phase == DRAINING && !time_is_up ->
		printf("time: the drain timeout\n");
		time_is_up = true }
	:: atomic { WORLD == TIMED && phase == ABORTING && heeding == 0 && !time_is_up ->
		printf("time: the drain timeout\n");
		time_is_up = true }
	od
}

/* fork_start_child(), admission_put_back(): sets `served`. */
inline serve_client(c)
{
	if
	:: !forks_well && phase != SERVING ->
		printf("server: no process for client %d, pauses\n", c);
		forks_well = true;
		paused = true;
		served = false
	:: else ->
		printf("server: forks for client %d\n", c);
		count++;
		of_source[SOURCE(c)]++;
		where[c] = SERVED;
		heeding = heeding + (kind[c] != HANGS);
		served = true
	fi
}

/* hand_out(): sets `served`. */
inline serve_now(c)
{
	if
	:: IS_OPEN && !OVER_SOURCE(c) -> serve_client(c)
	:: else -> served = false
	fi
}

/* admission_next(): next_waiting() */
inline serve_waiting()
{
	n = len(wait_queue);
	do
	:: n > 0 ->
		n--;
		wait_queue?c;
		serve_now(c);
		if
		:: served
		:: else -> wait_queue!c
		fi
	:: else -> c = 0; break
	od
}

/* turn_away(): with a FIN. */
inline turn_away(c)
{
	printf("server: turns client %d away\n", c);
	assert(phase == ABORTING || phase == KILLING);
	gone(c)
}

/* listener_close(): a connection that is in the queue is reset. */
inline close_listener()
{
	atomic {
		if
		:: listening ->
			printf("server: closes the listening socket\n");
			listening = false;
			assert(len(queue) == 0 || IN_A_HURRY);
			do
			:: queue?c -> printf("kernel: resets client %d\n", c); gone(c)
			:: empty(queue) -> break
			od
		:: else
		fi
	}
}

/* turn_queues_away(), turn_waiting_away() */
inline turn_all_away()
{
	do
	:: atomic { listening && len(queue) > 0 -> queue?c; turn_away(c) }
	:: else -> break
	od;
	do
	:: atomic { len(wait_queue) > 0 -> wait_queue?c; turn_away(c) }
	:: else -> c = 0; break
	od
}

/*
 * listen_drain_is_empty(): the handshakes have had their time, and the queue is empty. The model
 * assumes that they are over by then.
 */
#ifdef NOT_SETTLED
#define IS_EMPTY (len(queue) == 0)
#else
#define IS_EMPTY (shaking == 0 && len(queue) == 0)
#endif

/* admission_drain(), admission_close() */
inline drain_queue()
{
	if
	:: phase == ABORTING || phase == KILLING -> turn_all_away()
	:: else
	fi;
#ifndef NEVER_CLOSE
	if
	:: IS_EMPTY || IN_A_HURRY -> close_listener()
	:: else
	fi
#endif
}

/* admission_next(): accept_next() */
inline accept_ready()
{
	n = 0;
	do
	:: atomic { listening && ready && n < BUDGET && IS_OPEN && len(queue) > 0 ->
		n++;
		queue?c;
		where[c] = WAITS;
		serve_now(c);
		if
		:: served
		:: else -> printf("server: client %d is queued\n", c); wait_queue!c
		fi;
		c = 0 }
	:: else -> n = 0; break
	od
}

/* drain_request() */
inline drain_request()
{
	if
	:: phase == SERVING -> phase = DRAINING
#ifdef SECOND_SIGNAL_IGNORED
	:: else
#else
	:: else -> phase = KILLING
#endif
	fi;
	time_is_up = false
}

/* control_read_signals() and fork_reap() */
inline read_signals()
{
	if
	:: intr -> intr = false; drain_request()
	:: else
	fi;
	if
	:: term -> term = false; drain_request()
	:: else
	fi;
	for (c : 0 .. CLIENTS - 1) {
		if
		:: sigchld && zombie[c] ->
			printf("server: reaps child %d\n", c);
			zombie[c] = false;
			count--;
			of_source[SOURCE(c)]--;
			gone(c);
			paused = false
		:: else
		fi
	}
	sigchld = false;
	c = 0
}

/* drain_check_time() */
inline pass_time()
{
	if
	:: time_is_up && phase == DRAINING -> phase = ABORTING
#ifndef NO_KILLING
	:: time_is_up && phase == ABORTING -> phase = KILLING
#endif
	:: else
	fi;
	time_is_up = false
}

inline kill_all()
{
	for (c : 0 .. CLIENTS - 1) {
		if
		:: where[c] == SERVED ->
			printf("server: kills child %d\n", c);
			assert(asked_twice || kind[c] == HANGS);
			where[c] = KILLED
		:: else
		fi
	}
	c = 0
}

inline follow_drain()
{
#ifdef ABORT_AT_ONCE
	if
	:: phase != SERVING -> shutdown_pipe_signal = true
	:: else
	fi;
#endif
	if
	:: phase != SERVING ->
#ifndef NOT_STOPPED
		stopped = true;
#endif
#ifdef CLOSE_AT_ONCE
		close_listener();
#endif
		drain_queue()
	:: else
	fi;
#ifndef PIPE_NOT_CLOSED
	if
	:: phase == ABORTING || phase == KILLING -> shutdown_pipe_signal = true
	:: else
	fi;
#endif
	if
	:: atomic { phase == KILLING -> kill_all() }
	:: else
	fi
}

/* fork_wait_for_events() */
inline wait_for_events()
{
	if
	:: atomic {
		term || intr || sigchld || time_is_up ||
		(IS_OPEN && listening && len(queue) > 0) ||
		((phase == ABORTING || phase == KILLING) && len(queue) > 0) ->
		ready = IS_OPEN && listening && len(queue) > 0 }
	:: atomic { phase != SERVING && listening && IS_EMPTY -> ready = false } /* the next poll */
	:: atomic { paused -> paused = false; ready = false }
	fi
}

#ifdef NEVER_CLOSE
#define IS_CLOSED (len(queue) == 0)
#else
#define IS_CLOSED (!listening)
#endif
#ifdef WAIT_QUEUE_FORGOTTEN
#define IS_DONE (phase != SERVING && count == 0 && IS_CLOSED)
#else
#define IS_DONE (phase != SERVING && count == 0 && IS_CLOSED && len(wait_queue) == 0)
#endif

active proctype server()
{
	byte c, n;
	bool ready, served;

end:	do
	:: IS_DONE -> break
	:: else ->
		wait_for_events();
		atomic { read_signals(); pass_time() }
		follow_drain();
		atomic { serve_waiting() }
		accept_ready()
	od;
	over = true;
	for (c : 0 .. CLIENTS - 1) {
		assert(where[c] == AWAY || where[c] == GONE || (where[c] == SHAKES && IN_A_HURRY));
		assert(!zombie[c])
	}
}

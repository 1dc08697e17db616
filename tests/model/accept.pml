/* SPDX-License-Identifier: MIT */
/*
 * Accept, fork, reap: one parent, a child for each client, and a kernel that signals ended children
 * with one bit.
 *
 *   arrivals   clients that connect, from several sources, in every order
 *   server     the parent's loop (server/engines/fork.c), with admission and its wait queue
 *              (server/admission.c) and the count of clients (server/client_table.c)
 *   child      a forked child from its first instruction to its exit (server/blocking/session.c)
 *
 * The kernel is the accept queue, one pending bit for SIGCHLD, zombies, and an occasional refusal
 * of accept or fork. The child may end before the parent has run on after fork.
 *
 * Promised, in every order of events:
 *   - in the end no zombie, no count, no descriptor and no waiting client is left;
 *   - never more clients than the limit, and than the limit of their source;
 *   - the parent finds every ended child in the table, and the child has left its close reason;
 *   - a client is turned away only if it is over the limit for its source while the wait queue is full;
 *   - clients of one source are served in the order in which they came;
 *   - the server sleeps for ever only when no work is left, and never loops without work: no
 *     execution has a cycle.
 */
#ifndef CLIENTS
#define CLIENTS 4
#endif
#define SOURCES         3
#define MOST            2 /* --max-clients */
#define MOST_PER_SOURCE 1 /* --max-per-source */
#define PLACES          1 /* of the wait queue, before the one place more: WAIT_QUEUE_MAX */
#define BUDGET          2 /* ADMISSION_BUDGET */
#ifndef SHORTAGES
#define SHORTAGES 1 /* how often accept or fork is refused */
#endif

/* ---- the kernel ---- */

chan queue = [CLIENTS] of { byte };
bool sigchld; /* pending or not: it does not count */
byte shortages = SHORTAGES;

mtype = { NONE, RUNNING, ZOMBIE, REAPED };
mtype child_of[CLIENTS] = NONE;

/* ---- the table of clients, and admission ---- */

byte count;             /* clients.count */
byte of_source[SOURCES]; /* clients.by_source */
bool started[CLIENTS];  /* client_table_set_pid(): its entry can be found by its pid */
bool reported[CLIENTS];     /* conn_stats.reason, which the child writes */
bool paused;            /* admission.resume_ns != 0 */
chan wait_queue = [PLACES + 1] of { byte }; /* admission.wait_queue */
byte fds;               /* connected sockets that the parent holds */

/* ---- variables of the properties ---- */

byte source[CLIENTS];
byte over;          /* clients whose conversation is over */
byte next[SOURCES]; /* for each source: the lowest number that may come next */

#ifdef CHECK_THEN_PAUSE
bool asleep;
#endif

#ifdef LIMIT_IGNORED
#define IS_OPEN        (!paused)
#else
#define IS_OPEN        (count < MOST && !paused)
#endif
#define OVER_SOURCE(c) (of_source[source[c]] >= MOST_PER_SOURCE)

active proctype arrivals()
{
	byte c, s;
	for (c : 0 .. CLIENTS - 1) {
		atomic {
			select(s : 0 .. SOURCES - 1);
			source[c] = s;
			printf("client %d of source %d connects\n", c, source[c]);
			queue!c
		}
	}
}

proctype child(byte c)
{
	atomic { reported[c] = true; printf("child %d: its client is done\n", c) }
	atomic {
		printf("child %d: exit, SIGCHLD is pending\n", c);
		child_of[c] = ZOMBIE;
		sigchld = true;
		over++;
#ifdef CHECK_THEN_PAUSE
		asleep = false
#endif
	}
}

/* client_table_add() */
inline enter(c)
{
	count++;
	of_source[source[c]]++;
	reported[c] = false;
	assert(count <= MOST);
	assert(of_source[source[c]] <= MOST_PER_SOURCE)
}

/* client_table_remove() */
inline leave(c)
{
	assert(count > 0);
	count--;
	of_source[source[c]]--
}

/* admission_pause() */
inline pause_for()
{
#ifndef NO_PAUSE
	paused = true;
#endif
	printf("server: pauses\n")
}

/* fork_start_child(), admission_put_back(): sets `served`. */
inline serve_client(c)
{
#ifndef COUNT_AFTER_FORK
	enter(c);
#endif
	if
	:: shortages > 0 -> /* fork_process() is refused */
		atomic {
			printf("server: no process for client %d\n", c);
			shortages--;
#if !defined(FORK_FAILURE_KEEPS_COUNT) && !defined(COUNT_AFTER_FORK)
			leave(c);
#endif
			pause_for();
			served = false
		}
	:: true ->
		atomic {
			printf("server: forks for client %d\n", c);
			assert(c >= next[source[c]]);
			next[source[c]] = c + 1;
			child_of[c] = RUNNING;
			run child(c)
		}
#ifdef COUNT_AFTER_FORK
		enter(c);
#endif
		started[c] = true;
#ifndef PARENT_KEEPS_SOCKET
		fds--;
#endif
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

/* enqueue_waiting(), or turn_away() */
inline let_wait(c)
{
	if
#ifdef FORK_FAILURE_LOSES_SOCKET
	/* `continue` without a close: the client waits for ever, and its socket leaks */
	:: paused -> over++
#endif
	:: !paused && len(wait_queue) >= PLACES ->
		atomic {
			printf("server: turns client %d away\n", c);
			assert(OVER_SOURCE(c));
			fds--;
			over++
		}
	:: else ->
		atomic {
			printf("server: client %d is queued\n", c);
			assert(nfull(wait_queue));
			wait_queue!c
		}
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
	:: else -> break
	od
}

/* admission_next(): accept_next() */
inline accept_ready()
{
	n = 0;
	do
	:: ready && n < BUDGET && IS_OPEN && len(queue) > 0 ->
		n++;
		if
		:: atomic { shortages > 0 -> /* no descriptor: ACCEPT_PAUSE, the client stays queued */
			printf("server: cannot accept\n");
			shortages--;
			paused = true }
		:: queue?c ->
			fds++;
			serve_now(c);
			if
			:: served
			:: else -> let_wait(c)
			fi
		fi
	:: else -> break
	od
}

/* fork_reap_child(): any zombie, or none: then `c` is CLIENTS. */
inline reap()
{
	c = 0;
	do
	:: c < CLIENTS && child_of[c] != ZOMBIE -> c++
	:: else -> break
	od;
	if
	:: c < CLIENTS ->
		printf("server: reaps child %d\n", c);
		child_of[c] = REAPED;
		assert(started[c]); /* client_table_find() finds it */
		assert(reported[c]);    /* reason_of() has a reason */
		leave(c);
		paused = false      /* admission_client_ended() */
	:: else
	fi
}

/* fork_reap(): SIGCHLD does not give a number. */
inline reap_all()
{
#ifdef ONE_WAIT
	atomic { reap() }
#else
	do
	:: atomic { reap(); if :: c == CLIENTS -> break :: else fi }
	od
#endif
}

/* fork_wait_for_events(): poll(2) of the signals and, while admission is open, of the queue. */
inline wait_for_events()
{
#ifdef POLL_WHILE_FULL
	open = !paused;
#else
	open = IS_OPEN;
#endif
	assert(fds == len(wait_queue));
#ifdef CHECK_THEN_PAUSE
	if
	:: !open && !paused && !sigchld -> /* full, and no child has ended */
		atomic { printf("server: sleeps until the next signal\n"); asleep = true };
		!asleep /* pause(2) returns for a signal that comes from now on */
	:: else
	fi;
#endif
	if
	:: atomic { sigchld || (open && len(queue) > 0) -> ready = open && len(queue) > 0 }
#ifndef PAUSE_WITHOUT_DEADLINE
	:: atomic { paused -> printf("server: the pause is over\n"); paused = false; ready = false }
#endif
	:: over == CLIENTS && !sigchld -> break
	fi
}

active proctype server()
{
	byte c, n;
	bool open, ready, served;

	do
	:: wait_for_events();
		if
		:: sigchld -> sigchld = false; reap_all()
		:: else
		fi;
#ifdef ACCEPT_BEFORE_QUEUE
		accept_ready();
		serve_waiting()
#else
		serve_waiting();
		accept_ready()
#endif
	od;
	for (c : 0 .. CLIENTS - 1) {
		assert(child_of[c] != ZOMBIE)
	}
	assert(count == 0);
	assert(fds == 0);
	assert(len(wait_queue) == 0)
}

#ifdef REAP_IN_HANDLER
/*
 * A signal handler interrupts the parent between any two instructions; the parent stops meanwhile.
 */
active proctype handler()
{
	byte c;
end:	do
	:: atomic { sigchld ->
		sigchld = false;
		do
		:: reap(); if :: c == CLIENTS -> break :: else fi
		od }
	od
}
#endif

/* SPDX-License-Identifier: MIT */
/*
 * A conversation: the client, the echo, and finite buffers between them.
 *
 *   talk     the client's one loop (client/talk.c) with its window (client/window.c): it reads
 *            input, sends, receives, compares and writes, each as soon as it can
 *   session  the server's child (server/blocking/session.c), driven by the echo (echo/echo.c)
 *   kernel   gives up on unacknowledged bytes when no process holds the connection
 *
 * Every size of the two socket buffers, of the child's buffer and of the window from 1 to SIZE,
 * every length of input from 0 to BYTES, every short count (a byte at a time covers them all) and
 * every order of steps. The server may end the conversation itself, once, at any time (the drain,
 * the idle timeout). Then its linger timeout for a client that does not end may expire, at any
 * time: the one case in which it may reset.
 *
 * Promised:
 *   - no process gets stuck, whatever the sizes are;
 *   - the returned bytes are the sent ones, in order, each byte once;
 *   - if the server did not end it, every byte comes back, then the FIN;
 *   - if it did, every byte that it sent comes back, then the FIN: there is no reset, unless the
 *     linger timeout expired. (It stays for the client's FIN, not for the last acknowledgement, so
 *     in such a conversation the kernel alone may have to deliver the rest, and may give up.)
 *   - both FINs are sent, and it ends: no execution has a cycle.
 */
#ifndef BYTES
#define BYTES 7
#endif
#ifndef SIZE
#define SIZE 2
#endif

#ifdef LAW
#define WRITE_ALL_FIRST
#ifndef FEWER_JAM
#define FEWER_JAM 0
#endif
#ifndef MORE_PASS
#define MORE_PASS 0
#endif
#endif

byte bytes;  /* the length of the input */
byte window; /* WINDOW_SIZE */
byte buffer; /* CLIENT_BUFFER_SIZE */

/* The two directions: bytes in the sender's and the receiver's kernel together. */
byte to_server_size, to_client_size;
chan to_server = [SIZE] of { byte };
chan to_client = [SIZE] of { byte };
bool fin_to_server, fin_to_client;
bool reset;     /* the connection is reset, and the bytes in flight are lost */
bool abandoned; /* by the kernel */
bool client_closed, server_closed;

bool stopped;   /* echo.stopped: the server ended it */
bool timed_out; /* the linger deadline has come */
byte out;       /* echo.out */

#define CAN_SEND_TO_SERVER (len(to_server) < to_server_size && !reset)
#define CAN_SEND_TO_CLIENT (len(to_client) < to_client_size && !reset)

/* A reset destroys the bytes in flight, in both directions. */
inline destroy()
{
	d_step {
		reset = true;
		do
		:: len(to_server) > 0 -> to_server?_
		:: len(to_client) > 0 -> to_client?_
		:: else -> break
		od
	}
}

/* ---- the client ---- */

/* close(2): unread bytes turn it into a reset, and so do bytes that come later. */
inline close_client()
{
	atomic {
		printf("talk: close\n");
		client_closed = true;
		if
		:: len(to_client) > 0 -> destroy() /* only a mistake: it leaves before the FIN */
		:: else -> fin_to_server = true
		fi
	}
}

inline send_byte()
{
	printf("talk: sends byte %d\n", sent);
	if
	:: server_closed -> destroy()
	:: else -> to_server!sent; sent++
	fi
}

/* shutdown(2) */
inline send_end()
{
	printf("talk: half-close\n");
	fin_to_server = true;
	end_sent = true
}

inline receive_byte()
{
	to_client?came;
	printf("talk: byte %d is back\n", came);
	assert(came == returned);
	assert(came < sent);
	returned++;
	has_output = true
}

active proctype talk()
{
	byte taken, sent, returned, came;
	bool end_sent, has_output;

	atomic {
		select(bytes : 0 .. BYTES);
		select(window : 1 .. SIZE);
		select(buffer : 1 .. SIZE);
		select(to_server_size : 1 .. SIZE);
		select(to_client_size : 1 .. SIZE)
	}
#ifdef WRITE_ALL_FIRST
	taken = bytes;
	do
	:: atomic { sent < bytes && CAN_SEND_TO_SERVER -> send_byte() }
	:: sent == bytes || reset -> break
	od;
#endif
	do
	:: taken < bytes && taken - returned < window -> taken++           /* read_input() */
	:: atomic { sent < taken && CAN_SEND_TO_SERVER -> send_byte() }     /* talk_send_unsent() */
#ifdef NO_HALF_CLOSE
	:: sent == bytes -> break
#elif !defined(NO_FIN)
	:: atomic { sent == bytes && !end_sent -> send_end() }
#endif
	:: atomic { !has_output && len(to_client) > 0 -> receive_byte() }
	:: has_output -> has_output = false                                 /* write_output() */
	:: !has_output && len(to_client) == 0 && fin_to_client && !reset ->
		break                                                       /* end_by_fin() */
	:: reset -> break                                                   /* end_by_error() */
	od;
	close_client();
	assert(!reset || timed_out || (stopped && abandoned));
	assert(reset || stopped || (returned == bytes && end_sent && fin_to_client));
	assert(reset || returned == out)
}

/* ---- the server ---- */

inline close_server()
{
	atomic {
		printf("session: exit, close\n");
		server_closed = true;
		if
		:: len(to_server) > 0 -> destroy()
		:: else -> fin_to_client = true
		fi
	}
}

active proctype session()
{
	byte kept[SIZE];
	byte n, at; /* kept bytes: their number, and the number of sent ones */
	bool may_stop;

	/* The sizes are chosen first. */
	buffer > 0;
#ifndef LAW
	if
	:: may_stop = true
	:: may_stop = false
	fi;
#endif

read:	if
	:: atomic { len(to_server) > 0 ->
		do
		:: n < buffer && len(to_server) > 0 -> to_server?kept[n]; n++
		:: n > 0 -> break
		od;
		printf("session: receives %d\n", n) };
		goto write
	:: len(to_server) == 0 && fin_to_server && !reset -> goto finish
	:: may_stop -> goto stop
	:: reset -> goto close /* only a mistake: only the server may reset */
	fi;

write:	if
	:: atomic { CAN_SEND_TO_CLIENT ->
		printf("session: sends byte %d\n", kept[at]);
		if
		:: client_closed -> destroy() /* only a mistake: the client waits for the FIN */
		:: else -> to_client!kept[at]
		fi;
		out++;
		at++ };
		if
#ifdef SHORT_WRITE_IGNORED
		:: true -> n = 0; at = 0; goto read
#endif
		:: at == n -> n = 0; at = 0; goto read
		:: else -> goto write
		fi
#ifdef SERVER_CLOSES_EARLY
	:: fin_to_server -> goto close
#endif
	:: may_stop -> goto stop
	:: reset -> goto close /* only a mistake */
	fi;

stop:	stopped = true;
	printf("session: the server ends it\n");
#ifdef CLOSE_WITH_UNREAD
	goto close;
#endif

finish:	atomic { printf("session: FIN\n"); fin_to_client = true };
	if
	:: !stopped -> goto stay
	:: else -> goto discard
	fi;

	/* wait_until_delivered(): the idle timeout and the drain may end it early. */
stay:	if
#ifdef LEAVE_AFTER_FIN
	:: true -> goto close
#endif
	:: len(to_client) == 0 -> goto close
	:: may_stop -> stopped = true; goto discard
	fi;

discard:
	if
	:: to_server?_ -> goto discard
	:: len(to_server) == 0 && fin_to_server -> goto close
	:: timed_out = true; printf("session: the linger timeout\n"); goto close
	fi;

close:	close_server()
}

/* After the exit the kernel has to deliver the bytes in flight, and it may give up (tcp(7)). */
active proctype kernel()
{
end:	if
	:: atomic { server_closed && len(to_client) > 0 ->
		printf("kernel: gives up on a connection that no process holds\n");
		abandoned = true;
		destroy() }
	fi
}

#ifdef LAW
/*
 * A client that writes everything before it reads anything can deadlock, when neither end can go
 * on. It may deadlock with one byte more than the two socket buffers and one byte that the child
 * keeps. It must deadlock with one byte more than those and the child's whole buffer. The
 * assertions between depend on how much the child receives at once. FEWER_JAM and MORE_PASS move
 * each bound by one: then it is wrong.
 */
active proctype law()
{
	timeout;
	if
	:: !client_closed -> 
		assert(bytes > to_server_size + 1 + to_client_size + FEWER_JAM)
	:: else ->
		assert(bytes + MORE_PASS <= to_server_size + buffer + to_client_size)
	fi
}
#endif

/* SPDX-License-Identifier: MIT */
#include "net/accept.h"

#include <errno.h>
#include <sys/socket.h>

#include "net/io.h"
#include "net/listen.h"

enum accept_verdict accept_judge(int code)
{
	if (code >= 0)
		return ACCEPT_GOT;

	switch (-code) {
	case EAGAIN:
		return ACCEPT_NONE;

	/* A signal, or an error of one connection that is lost with it (accept(2)). */
	case EINTR:
	case ECONNABORTED:
	case ECONNREFUSED:
	case ECONNRESET:
	case EHOSTDOWN:
	case EHOSTUNREACH:
	case ENETDOWN:
	case ENETUNREACH:
	case ENONET:
	case ENOPROTOOPT:
	case ENOTCONN:
	case EOPNOTSUPP:
	case EPERM: /* a firewall rule rejects this connection */
	case EPIPE:
	case EPROTO:
	case ETIMEDOUT:
		return ACCEPT_NEXT;

	/* Wrong arguments: the descriptor is no listening socket. */
	case EBADF:
	case EFAULT:
	case EINVAL:
	case ENOTSOCK:
		return ACCEPT_LOST;

	/*
	 * No descriptor (EMFILE: the process limit, ENFILE: the machine's) or no memory. The limit
	 * is checked before the queue, so these occur even if the queue is empty. The client stays
	 * queued, so calling again at once would spin. Unknown errors are handled the same way, to
	 * be safe.
	 */
	case EMFILE:
	case ENFILE:
	case ENOBUFS:
	case ENOMEM:
	case ENOSR:
	default:
		return ACCEPT_PAUSE;
	}
}

const char *accept_verdict_name(enum accept_verdict verdict)
{
	static const char *const names[] = {
		[ACCEPT_GOT] = "got",     [ACCEPT_NONE] = "none", [ACCEPT_NEXT] = "next",
		[ACCEPT_PAUSE] = "pause", [ACCEPT_LOST] = "lost",
	};
	return names[verdict];
}

enum accept_verdict accept_client(int listen_fd, int *ret_fd, struct addr *ret_peer,
				  int *reterr_code)
{
	struct addr peer = { .len = sizeof(peer.local) };
	int fd = accept4(listen_fd, &peer.any, &peer.len, SOCK_CLOEXEC);
	int code = fd < 0 ? -errno : 0;
	enum accept_verdict verdict = accept_judge(code);
	if (verdict == ACCEPT_GOT) {
		addr_unmap(&peer);
		/* Accepted unix sockets inherit no options (unix(7)). This cannot fail. */
		if (peer.any.sa_family == AF_UNIX)
			ignore_result(io_set_recv_timeout(fd, LISTEN_RETRY_NS));
		*ret_fd = fd;
		*ret_peer = peer;
	} else if (verdict != ACCEPT_NONE) {
		*reterr_code = code;
	}
	return verdict;
}

/* SPDX-License-Identifier: MIT */
#include "net/pass_fd.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "net/io.h"

/* Space for one descriptor in a control message. */
union control {
	struct cmsghdr header;
	char bytes[CMSG_SPACE(sizeof(int))];
};

int pass_fd_open(int *ret_sender, int *ret_receiver)
{
	int ends[2];
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) < 0)
		return -errno;
	*ret_sender = ends[0];
	*ret_receiver = ends[1];
	return 0;
}

int pass_fd_send(int sender, const void *message, size_t size, int fd)
{
	union control control;
	memset(&control, 0, sizeof(control));
	struct iovec part = { (void *)(uintptr_t)message, size };
	struct msghdr all = {
		.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	control.header.cmsg_level = SOL_SOCKET;
	control.header.cmsg_type = SCM_RIGHTS;
	control.header.cmsg_len = CMSG_LEN(sizeof(fd));
	memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
	for (;;) {
		if (sendmsg(sender, &all, MSG_NOSIGNAL) >= 0)
			return 0;
		if (errno != EINTR)
			return -errno;
	}
}

/*
 * If no descriptor is free, recvmsg(2) would drop the descriptor and lose the message (MSG_CTRUNC).
 */
MUST_USE static int check_free_descriptor(int receiver)
{
	int fd = dup(receiver);
	if (fd < 0)
		return -errno;
	io_close(&fd);
	return 0;
}

int pass_fd_receive(int receiver, void *message, size_t size, int *ret_fd)
{
	int rc = check_free_descriptor(receiver);
	if (rc < 0)
		return rc;
	union control control;
	struct iovec part = { message, size };
	for (;;) {
		struct msghdr all = {
			.msg_iov = &part,
			.msg_iovlen = 1,
			.msg_control = &control,
			.msg_controllen = sizeof(control),
		};
		ssize_t n = recvmsg(receiver, &all, MSG_CMSG_CLOEXEC);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return -EAGAIN; /* all senders are closed */
		const struct cmsghdr *header = CMSG_FIRSTHDR(&all);
		if (header == NULL)
			/* the limit was lowered after the check: the message is lost */
			return -EMFILE;
		memcpy(ret_fd, CMSG_DATA(header), sizeof(*ret_fd));
		return 0;
	}
}

/* SPDX-License-Identifier: MIT */
#include "server/start_remedy.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "net/sysinfo.h"

/* -EAGAIN and -ENOMEM: a limit on the address space is the likeliest cause. */
static struct start_remedy shortage_remedy(int code)
{
	struct start_remedy out;
	struct sysinfo_limits space = sysinfo_space_limits();
	const char *limits = space.text;
	if (code == -EAGAIN)
		snprintf(out.text, sizeof(out.text),
			 " (no process or thread is left: see ulimit -u%s and the pids cgroup)",
			 limits);
	else if (limits[0] != '\0')
		snprintf(out.text, sizeof(out.text), " (lower --max-clients, or raise %s)",
			 limits + strlen(", "));
	else
		snprintf(out.text, sizeof(out.text),
			 " (lower --max-clients, or see the memory cgroup and "
			 "vm.overcommit_memory)");
	return out;
}

static const char *plain_remedy(int code)
{
	switch (code) {
	case -ENOSPC:
		return " (raise fs.epoll.max_user_watches)";
	case -EACCES:
	case -ENOSYS:
	case -EPERM:
		return " (a seccomp filter or another policy forbids it)";
	default:
		return err_remedy(code);
	}
}

struct start_remedy start_remedy(int code)
{
	struct start_remedy out;
	if (code == -EAGAIN || code == -ENOMEM)
		return shortage_remedy(code);
	snprintf(out.text, sizeof(out.text), "%s", plain_remedy(code));
	return out;
}

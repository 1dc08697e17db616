/* SPDX-License-Identifier: MIT */
#include "base/err.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/compiler.h"

static const struct {
	int code;
	const char *name;
	const char *sentence;
} own_codes[] = {
#define X(name, number, sentence) { number, #name, sentence },
	ERR_LIST(X)
#undef X
};

struct err_text err_text(int code)
{
	struct err_text out = { { 0 } };
	for (size_t i = 0; i < ARRAY_LEN(own_codes); i++) {
		if (own_codes[i].code == code) {
			snprintf(out.text, sizeof(out.text), "%s", own_codes[i].sentence);
			return out;
		}
	}

	const char *sentence = strerrordesc_np(-code);
	if (sentence == NULL) {
		snprintf(out.text, sizeof(out.text), "error %d", -code);
		return out;
	}
	snprintf(out.text, sizeof(out.text), "%s", sentence);
	/*
	 * strerror() text begins a sentence, ours continues one. "RFS ..." is a name and stays
	 * upper case.
	 */
	if (islower((unsigned char)out.text[1]))
		out.text[0] = (char)tolower((unsigned char)out.text[0]);
	return out;
}

const char *err_remedy(int code)
{
	switch (code) {
	case -EMFILE:
		return " (raise the limit on descriptors, ulimit -n)";
	case -ENFILE:
		return " (the machine has no descriptors left: raise fs.file-max)";
	case -ENOMEM:
		return " (see ulimit -v, ulimit -d, the memory cgroup and vm.overcommit_memory)";
	case -ENOBUFS:
		return " (the kernel has no memory left for sockets)";
	default:
		return "";
	}
}

bool err_is_shortage(int code)
{
	return code == -ENOMEM || code == -ENOBUFS || code == ERR_NO_WATCHES;
}

const char *err_name(int code)
{
	for (size_t i = 0; i < ARRAY_LEN(own_codes); i++) {
		if (own_codes[i].code == code)
			return own_codes[i].name;
	}
	const char *name = code < 0 ? strerrorname_np(-code) : NULL;
	return name != NULL ? name : "?";
}

/* EAGAIN: no more threads (pthread_create(3)); ENOSPC: no more watches (epoll_ctl(2)). */
static const int local_codes[] = {
	-EMFILE,
	-ENFILE,
	-ENOBUFS,
	-ENOMEM,
	-EACCES,
	-EPERM,
	-EAGAIN,
	-ENOSPC,
	-EADDRNOTAVAIL,
	-EADDRINUSE,
	-EAFNOSUPPORT,
	ERR_NO_SOURCE,
	ERR_FOREIGN_SOURCE,
};

bool err_is_local(int code)
{
	for (size_t i = 0; i < ARRAY_LEN(local_codes); i++) {
		if (local_codes[i] == code)
			return true;
	}
	return false;
}

int err_local_code(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(local_codes); i++) {
		if (strcmp(err_name(local_codes[i]), name) == 0)
			return local_codes[i];
	}
	return 0;
}

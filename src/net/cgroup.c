/* SPDX-License-Identifier: MIT */
#include "net/cgroup.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/compiler.h"
#include "net/io.h"

/* Enough for the part of memory.stat that matters. */
#define STAT_SIZE ((size_t)8 * 1024)

/* Version 1 has no word for "no limit": it shows a number larger than any machine's memory. */
#define LEAST_UNLIMITED (UINT64_C(1) << 60)

/*
 * A group: its directory, from malloc(3), and the length of the mount point, above which no parent
 * is. The paths are not on the stack, because they may be long and the stack is small.
 */
struct group {
	bool is_v2;
	char *path;
	size_t mount_length;
};

/* Opens root/name for reading. Returns NULL if that fails. */
MUST_USE static FILE *open_under(const char *root, const char *name)
{
	char *path;
	if (asprintf(&path, "%s/%s", root, name) < 0)
		return NULL;
	FILE *file = fopen(path, "re");
	free(path);
	return file;
}

/* ---- finding our group ---- */

/* Returns whether `word` is in a comma-separated list. */
static bool has_word(const char *list, size_t length, const char *word)
{
	size_t n = strlen(word);
	for (const char *at = list; at <= list + length; at += strcspn(at, ",") + 1) {
		size_t rest = (size_t)(list + length - at);
		if (rest >= n && strncmp(at, word, n) == 0 && (rest == n || at[n] == ','))
			return true;
	}
	return false;
}

/*
 * Finds our path in the hierarchy of a controller. /proc/self/cgroup has a line
 * "N:controllers:/path" for version 1 and "0::/path" for version 2; a controller is in one of them.
 * A path may contain colons. Returns a copy, which the caller frees, or NULL.
 */
MUST_USE static char *find_path(const char *root, const char *controller, bool *ret_is_v2)
{
	FILE *file = open_under(root, "proc/self/cgroup");
	char *line = NULL, *path = NULL;
	size_t size = 0;
	bool found_v1 = false;
	while (file != NULL && !found_v1 && getline(&line, &size, file) >= 0) {
		line[strcspn(line, "\n")] = '\0';
		const char *list = strchr(line, ':');
		const char *end = list != NULL ? strchr(list + 1, ':') : NULL;
		if (end == NULL)
			continue;
		bool is_v2 = strncmp(line, "0::", 3) == 0;
		found_v1 = !is_v2 && has_word(list + 1, (size_t)(end - list - 1), controller);
		if (!is_v2 && !found_v1)
			continue;
		free(path);
		path = strdup(end + 1);
		*ret_is_v2 = is_v2;
	}
	free(line);
	if (file != NULL)
		fclose(file);
	return path;
}

/* Decodes octal escapes: /proc/self/mountinfo writes a space as \040 (proc(5)). */
static void unescape(char *text)
{
	char *to = text;
	for (const char *from = text; *from != '\0'; from++) {
		char digits[4] = "", *end;
		if (*from == '\\')
			strncat(digits, from + 1, 3);
		unsigned long code = strtoul(digits, &end, 8);
		if (end == digits + 3)
			from += 3;
		*to++ = (char)(end == digits + 3 ? code : (unsigned char)*from);
	}
	*to = '\0';
}

/*
 * Parses a line of /proc/self/mountinfo: "36 35 0:31 ROOT MOUNT-POINT options - TYPE source
 * OPTIONS". Returns whether it is the wanted hierarchy; then *root and *point are its fields.
 */
static bool is_mount_of(char *line, const char *controller, bool is_v2, char **root, char **point)
{
	char *rest = NULL, *words[5], *tail = strstr(line, " - ");
	if (tail == NULL)
		return false;
	*tail = '\0';
	tail += strlen(" - ");
	words[0] = strtok_r(line, " ", &rest);
	for (size_t i = 1; i < ARRAY_LEN(words); i++)
		words[i] = strtok_r(NULL, " ", &rest);
	const char *type = strtok_r(tail, " ", &rest);
	strtok_r(NULL, " ", &rest);
	const char *options = strtok_r(NULL, " \n", &rest);
	if (words[4] == NULL || type == NULL || strcmp(type, is_v2 ? "cgroup2" : "cgroup") != 0)
		return false;
	if (!is_v2 && (options == NULL || !has_word(options, strlen(options), controller)))
		return false;
	*root = words[3];
	*point = words[4];
	unescape(*root);
	unescape(*point);
	return true;
}

/* Returns the part of a path after `prefix`, or NULL if `prefix` is not a parent of it. */
static const char *below(const char *path, const char *prefix)
{
	size_t n = strcmp(prefix, "/") == 0 ? 0 : strlen(prefix);
	bool is_parent = strncmp(path, prefix, n) == 0 && (path[n] == '/' || path[n] == '\0');
	return is_parent ? path + n : NULL;
}

/*
 * Sets the group to our path in a mount. If our group is outside what is mounted, the mount point
 * is the nearest visible group.
 */
MUST_USE static bool group_of_mount(const char *root, const char *point, const char *rest,
				    struct group *group)
{
	char *path;
	bool has_rest = rest != NULL && strcmp(rest, "/") != 0 && strstr(rest, "/..") == NULL;
	if (asprintf(&path, "%s%s%s", root, point, has_rest ? rest : "") < 0)
		return false;
	free(group->path);
	group->path = path;
	group->mount_length = strlen(root) + strlen(point);
	return true;
}

static void close_group(struct group *group)
{
	free(group->path);
	group->path = NULL;
}

/*
 * Finds the directory of our group for a controller. A container may see only a part of the tree.
 * The caller must call close_group(), also if false is returned.
 */
MUST_USE static bool find_group(const char *root, const char *controller, struct group *ret_group)
{
	char *line = NULL, *mount_root, *point;
	size_t size = 0;
	bool found = false, is_below = false;
	*ret_group = (struct group){ .path = NULL };
	char *path = find_path(root, controller, &ret_group->is_v2);
	FILE *file = path != NULL ? open_under(root, "proc/self/mountinfo") : NULL;
	while (file != NULL && !is_below && getline(&line, &size, file) >= 0) {
		if (!is_mount_of(line, controller, ret_group->is_v2, &mount_root, &point))
			continue;
		const char *rest = below(path, mount_root);
		if (!group_of_mount(root, point, rest, ret_group))
			continue;
		is_below = rest != NULL;
		found = true;
	}
	free(line);
	free(path);
	if (file != NULL)
		fclose(file);
	return found;
}

/* Goes to the parent group. Returns false if no parent is visible. */
static bool go_up(struct group *group)
{
	char *slash = strrchr(group->path, '/');
	if (slash == NULL || strlen(group->path) <= group->mount_length)
		return false;
	*slash = '\0';
	return true;
}

/* ---- reading files of a group ---- */

/* Returns the bytes of droppable file pages from the text of memory.stat, lines "NAME number". */
static uint64_t parse_droppable(const char *text, bool is_v2)
{
	static const char *const names[2][2] = {
		{ "total_inactive_file ", "total_active_file " },
		{ "inactive_file ", "active_file " },
	};
	uint64_t sum = 0;
	for (const char *line = text; *line != '\0'; line += line[0] == '\n') {
		for (size_t i = 0; i < 2; i++) {
			size_t n = strlen(names[is_v2][i]);
			if (strncmp(line, names[is_v2][i], n) == 0)
				sum += strtoull(line + n, NULL, 10);
		}
		line += strcspn(line, "\n");
	}
	return sum;
}

/* Reads the start of a file. A file that cannot be read counts as empty. */
static void read_text(int fd, char *text, size_t size)
{
	ssize_t n = fd >= 0 ? pread(fd, text, size - 1, 0) : -1;
	text[n > 0 ? n : 0] = '\0';
}

static int open_in(const struct group *group, const char *name)
{
	char *path;
	if (asprintf(&path, "%s/%s", group->path, name) < 0)
		return -1;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	free(path);
	return fd;
}

/* Reads a number. "max" and a missing file mean no limit. */
static uint64_t number_of(int fd)
{
	char text[64], *end;
	read_text(fd, text, sizeof(text));
	uint64_t number = strtoull(text, &end, 10);
	return end == text || number >= LEAST_UNLIMITED ? CGROUP_UNLIMITED : number;
}

static uint64_t cgroup_read_number(const struct group *group, const char *name)
{
	int fd = open_in(group, name);
	uint64_t number = number_of(fd);
	io_close(&fd);
	return number;
}

static uint64_t smaller(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static uint64_t left_of(uint64_t limit, uint64_t used)
{
	if (limit == CGROUP_UNLIMITED || used == CGROUP_UNLIMITED)
		return limit;
	return used < limit ? limit - used : 0;
}

/* ---- memory ---- */

static uint64_t memory_limit(const struct group *group)
{
	if (!group->is_v2)
		return cgroup_read_number(group, "memory.limit_in_bytes");
	return smaller(cgroup_read_number(group, "memory.max"),
		       cgroup_read_number(group, "memory.high"));
}

static struct cgroup_memory open_memory(const struct group *group, uint64_t limit)
{
	const char *current = group->is_v2 ? "memory.current" : "memory.usage_in_bytes";
	return (struct cgroup_memory){
		.limit = limit,
		.is_v2 = group->is_v2,
		.current_fd = open_in(group, current),
		.stat_fd = open_in(group, "memory.stat"),
	};
}

uint64_t cgroup_memory_room(const struct cgroup_memory *memory, uint64_t enough)
{
	char text[STAT_SIZE];
	if (memory->limit == CGROUP_UNLIMITED)
		return CGROUP_UNLIMITED;
	uint64_t room = left_of(memory->limit, number_of(memory->current_fd));
	if (room >= enough)
		return room;
	read_text(memory->stat_fd, text, sizeof(text));
	return smaller(room + parse_droppable(text, memory->is_v2), memory->limit);
}

void cgroup_open_memory(const char *root, struct cgroup_memory *ret_memory)
{
	struct cgroup_memory tightest = { CGROUP_UNLIMITED, false, -1, -1 };
	uint64_t least_room = CGROUP_UNLIMITED;
	struct group group;
	bool is_there = find_group(root, "memory", &group);
	for (; is_there; is_there = go_up(&group)) {
		uint64_t limit = memory_limit(&group);
		if (limit == CGROUP_UNLIMITED)
			continue;
		struct cgroup_memory memory = open_memory(&group, limit);
		uint64_t room = cgroup_memory_room(&memory, CGROUP_UNLIMITED);
		if (room < least_room) {
			cgroup_close_memory(&tightest);
			tightest = memory;
			least_room = room;
		} else {
			cgroup_close_memory(&memory);
		}
	}
	close_group(&group);
	*ret_memory = tightest;
}

void cgroup_close_memory(struct cgroup_memory *memory)
{
	io_close(&memory->current_fd);
	io_close(&memory->stat_fd);
	memory->limit = CGROUP_UNLIMITED;
}

/* ---- processes ---- */

uint64_t cgroup_processes(const char *root)
{
	uint64_t found = CGROUP_UNLIMITED;
	struct group group;
	bool is_there = find_group(root, "pids", &group);
	for (; is_there; is_there = go_up(&group)) {
		uint64_t limit = cgroup_read_number(&group, "pids.max");
		found = smaller(found, left_of(limit, cgroup_read_number(&group, "pids.current")));
	}
	close_group(&group);
	return found;
}

/* ---- processors ---- */

/* Version 2 has quota (or "max") and period in one file. */
static double group_quota(const struct group *group)
{
	char text[64], *rest;
	int fd = open_in(group, group->is_v2 ? "cpu.max" : "cpu.cfs_quota_us");
	read_text(fd, text, sizeof(text));
	io_close(&fd);
	double quota = strtod(text, &rest);
	double period = group->is_v2 ? strtod(rest, NULL)
				     : (double)cgroup_read_number(group, "cpu.cfs_period_us");
	return rest != text && quota > 0 && period > 0 ? quota / period : 0;
}

double cgroup_cpu_quota(const char *root)
{
	double found = 0;
	struct group group;
	bool is_there = find_group(root, "cpu", &group);
	for (; is_there; is_there = go_up(&group)) {
		double quota = group_quota(&group);
		if (quota > 0 && (found <= 0 || quota < found))
			found = quota;
	}
	close_group(&group);
	return found;
}

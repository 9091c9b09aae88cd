// SPDX-License-Identifier: GPL-2.0
/* See file.h. */
#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "report.h"

#define PIECE		65536

/* A pipe does not say how much there is, so the buffer grows. */
static int read_rest(struct file *file, int fd, size_t room, size_t most)
{
	for (;;) {
		ssize_t got;

		if (file->size == room) {
			size_t wanted = room ? room * 2 : PIECE;
			uint8_t *bytes = realloc(file->bytes, wanted);

			if (!bytes)
				return -ENOMEM;
			file->bytes = bytes;
			room = wanted;
		}
		got = read(fd, file->bytes + file->size, room - file->size);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return got ? -errno : 0;
		file->size += got;
		if (file->size > most)
			return -EFBIG;
	}
}

static int read_open(struct file *file, int fd, size_t most)
{
	struct stat info;
	size_t room = 0;

	if (fd < 0 || fstat(fd, &info))
		return -errno;
	if (S_ISREG(info.st_mode)) {
		if ((uint64_t)info.st_size > most)
			return -EFBIG;
		/* One more: the end is seen without growing. */
		room = info.st_size + 1;
		file->bytes = malloc(room);
		if (!file->bytes)
			return -ENOMEM;
	}
	return read_rest(file, fd, room, most);
}

int file_read(struct file *file, const char *path, size_t most)
{
	bool standard = !strcmp(path, "-");
	int fd = standard ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC), r;

	*file = (struct file){ 0 };
	r = read_open(file, fd, most);
	if (fd >= 0 && !standard)
		close(fd);
	if (!r)
		return 0;
	file_free(file);
	if (r == -EFBIG)
		refuse("%s: more than %zu bytes", path, most);
	else
		complain(r, "%s", path);
	return r;
}

void file_free(struct file *file)
{
	free(file->bytes);
	*file = (struct file){ 0 };
}

int write_all(int fd, const void *bytes, size_t size)
{
	for (size_t done = 0; done < size;) {
		ssize_t r = write(fd, (const char *)bytes + done, size - done);

		if (r < 0 && errno != EINTR)
			return -errno;
		done += r < 0 ? 0 : r;
	}
	return 0;
}

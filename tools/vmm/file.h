/* SPDX-License-Identifier: GPL-2.0 */
/* Files: whole ones in memory, and output. */
#ifndef LIKEXVM_FILE_H
#define LIKEXVM_FILE_H

#include <stddef.h>
#include <stdint.h>

struct file {
	uint8_t *bytes;
	size_t size;
};

/*
 * Read a file, or standard input for "-", that has at most @most bytes. Return 0, or a
 * negative errno after a message.
 */
int file_read(struct file *file, const char *path, size_t most);
void file_free(struct file *file);

/* Write all of it; return 0 or a negative errno. */
int write_all(int fd, const void *bytes, size_t size);

#endif

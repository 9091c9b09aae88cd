/* SPDX-License-Identifier: GPL-2.0 */
/* A disk of virtio (virtio 1.2, "Block Device"), whose sectors are those of a file. */
#ifndef LIKEXVM_DISK_H
#define LIKEXVM_DISK_H

#include <linux/virtio_blk.h>
#include <stdbool.h>

#include "virtio.h"

struct disk {
	int fd;
	bool read_only;
	uint64_t sectors;
	uint32_t block;			/* bytes that the host's device reads or writes at once */
	char id[VIRTIO_BLK_ID_BYTES];	/* that the guest is told; ends with zeros if it is short */
	struct virtio_blk_config space;
};

/*
 * Open an image, "FILE" or "FILE,ro", as the disk with a number. It is locked, so that no
 * other likexvm writes to it. Return 0, or a negative errno after a message.
 */
int disk_open(struct disk *disk, const char *image, unsigned int number);
void disk_close(struct disk *disk);

/* Set the members of a configuration that make a device of the disk. */
void disk_describe(struct disk *disk, struct virtio_config *config);

#endif

// SPDX-License-Identifier: GPL-2.0
/* See disk.h. */
#include "disk.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/virtio_ids.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "report.h"

#define SECTOR		512
#define CLASS		0x018000	/* another mass storage controller */
#define READ_ONLY	",ro"
#define RANGE_MOST	(1U << 21)	/* sectors that one request discards */
/* Bytes of a request: the machine cannot end while one is served */
#define BUFFER_MOST	(1U << 18)
#define REQUEST_MOST	((uint64_t)BUFFER_MOST * VIRTQUEUE_MOST)

/* Tell whether these sectors are the disk's. */
static bool has(const struct disk *disk, uint64_t sector, uint64_t count)
{
	return sector <= disk->sectors && count <= disk->sectors - sector;
}

/* Tell whether one request can be for these bytes. */
static bool has_bytes(const struct disk *disk, uint64_t sector, uint64_t bytes)
{
	return !(bytes % SECTOR) && bytes <= REQUEST_MOST && has(disk, sector, bytes / SECTOR);
}

/* Read or write all bytes of the buffers. An image that has become too short has no more to read. */
static bool transfer(const struct disk *disk, bool write, struct iovec *buffers, unsigned int count,
		     uint64_t at)
{
	size_t done = 0;

	for (;;) {
		ssize_t r;

		for (; count && done >= buffers->iov_len; buffers++, count--)
			done -= buffers->iov_len;
		if (!count)
			return true;
		buffers->iov_base = (uint8_t *)buffers->iov_base + done;
		buffers->iov_len -= done;
		r = write ? pwritev(disk->fd, buffers, count, at) :
			    preadv(disk->fd, buffers, count, at);
		if (r <= 0 && !(r < 0 && errno == EINTR))
			return false;
		done = r < 0 ? 0 : r;
		at += done;
	}
}

static uint64_t bytes_of(const struct iovec *buffers, unsigned int count)
{
	uint64_t bytes = 0;

	for (unsigned int i = 0; i < count; i++)
		bytes += buffers[i].iov_len;
	return bytes;
}

static uint8_t flush(const struct disk *disk)
{
	return fdatasync(disk->fd) ? VIRTIO_BLK_S_IOERR : VIRTIO_BLK_S_OK;
}

static uint8_t read_sectors(const struct disk *disk, struct virtqueue_chain *chain,
			    uint64_t sector, int64_t *written)
{
	struct iovec *buffers = chain->buffers + chain->reads;
	uint64_t bytes = bytes_of(buffers, chain->writes);

	if (!has_bytes(disk, sector, bytes) ||
	    !transfer(disk, false, buffers, chain->writes, sector * SECTOR))
		return VIRTIO_BLK_S_IOERR;
	*written = bytes;
	return VIRTIO_BLK_S_OK;
}

/* A guest that does not flush relies on each write. */
static uint8_t written_out(const struct disk *disk, uint64_t features)
{
	return features & VIRTIO_FEATURE(VIRTIO_BLK_F_FLUSH) ? VIRTIO_BLK_S_OK : flush(disk);
}

static uint8_t write_sectors(const struct disk *disk, uint64_t features,
			     struct virtqueue_chain *chain, uint64_t sector)
{
	uint64_t bytes = bytes_of(chain->buffers, chain->reads);

	if (disk->read_only || !has_bytes(disk, sector, bytes) ||
	    !transfer(disk, true, chain->buffers, chain->reads, sector * SECTOR))
		return VIRTIO_BLK_S_IOERR;
	return written_out(disk, features);
}

static uint8_t clear_sectors(const struct disk *disk, uint64_t features,
			     struct virtqueue_chain *chain, bool zeroes)
{
	uint32_t known = zeroes ? VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP : 0;
	struct virtio_blk_discard_write_zeroes range;
	int how = FALLOC_FL_KEEP_SIZE;

	if (disk->read_only || !virtqueue_pull(chain, &range, sizeof(range)) ||
	    bytes_of(chain->buffers, chain->reads))
		return VIRTIO_BLK_S_IOERR;
	if (range.flags & ~known)
		return VIRTIO_BLK_S_UNSUPP;
	if (range.num_sectors > RANGE_MOST || !has(disk, range.sector, range.num_sectors))
		return VIRTIO_BLK_S_IOERR;
	how |= zeroes && !range.flags ? FALLOC_FL_ZERO_RANGE : FALLOC_FL_PUNCH_HOLE;
	if (!fallocate(disk->fd, how, range.sector * SECTOR, (off_t)range.num_sectors * SECTOR))
		return zeroes ? written_out(disk, features) : VIRTIO_BLK_S_OK;
	return errno == EOPNOTSUPP ? VIRTIO_BLK_S_UNSUPP : VIRTIO_BLK_S_IOERR;
}

static int64_t serve(void *ctx, unsigned int queue __attribute__((unused)), uint64_t features,
		     struct virtqueue_chain *chain)
{
	uint8_t *status = virtqueue_last(chain), result;
	struct virtio_blk_outhdr head;
	struct disk *disk = ctx;
	int64_t written = 0;

	if (!status || !virtqueue_pull(chain, &head, sizeof(head)))
		return -EINVAL;
	switch (head.type) {
	case VIRTIO_BLK_T_IN:
		result = read_sectors(disk, chain, head.sector, &written);
		break;
	case VIRTIO_BLK_T_OUT:
		result = write_sectors(disk, features, chain, head.sector);
		break;
	case VIRTIO_BLK_T_FLUSH:
		result = flush(disk);
		break;
	case VIRTIO_BLK_T_GET_ID:
		written = virtqueue_push(chain, disk->id, sizeof(disk->id));
		result = VIRTIO_BLK_S_OK;
		break;
	case VIRTIO_BLK_T_DISCARD:
	case VIRTIO_BLK_T_WRITE_ZEROES:
		result = clear_sectors(disk, features, chain, head.type == VIRTIO_BLK_T_WRITE_ZEROES);
		break;
	default:
		result = VIRTIO_BLK_S_UNSUPP;
	}
	*status = result;
	return written + 1;
}

static const struct virtio_kind kind = {
	.id = VIRTIO_ID_BLOCK, .class = CLASS, .queues = 1, .serve = serve,
};

void disk_describe(struct disk *disk, struct virtio_config *config)
{
	config->kind = &kind;
	config->device = disk;
	config->features = VIRTIO_FEATURE(VIRTIO_BLK_F_SEG_MAX) | VIRTIO_FEATURE(VIRTIO_BLK_F_FLUSH) |
			   VIRTIO_FEATURE(VIRTIO_BLK_F_SIZE_MAX) | VIRTIO_FEATURE(VIRTIO_BLK_F_BLK_SIZE);
	if (disk->read_only)
		config->features |= VIRTIO_FEATURE(VIRTIO_BLK_F_RO);
	else
		config->features |= VIRTIO_FEATURE(VIRTIO_BLK_F_DISCARD) |
				    VIRTIO_FEATURE(VIRTIO_BLK_F_WRITE_ZEROES);
	disk->space = (struct virtio_blk_config){
		/* The head and the status have a buffer each. */
		.capacity = disk->sectors, .seg_max = VIRTQUEUE_MOST - 2,
		.size_max = BUFFER_MOST,
		.max_discard_sectors = RANGE_MOST, .max_discard_seg = 1,
		.blk_size = disk->block, .discard_sector_alignment = disk->block / SECTOR,
		.max_write_zeroes_sectors = RANGE_MOST,
		.max_write_zeroes_seg = 1, .write_zeroes_may_unmap = 1,
	};
	config->space = &disk->space;
	config->space_size = offsetof(struct virtio_blk_config, max_secure_erase_sectors);
}

/* Set the size in blocks, which are sectors unless a device has larger ones. */
static bool measure(struct disk *disk, const struct stat *info)
{
	off_t size = lseek(disk->fd, 0, SEEK_END);
	int block = SECTOR;

	if (S_ISBLK(info->st_mode) ? ioctl(disk->fd, BLKSSZGET, &block) : !S_ISREG(info->st_mode))
		return false;
	if (block < SECTOR || block % SECTOR || size < block || size % block)
		return false;
	disk->block = block;
	disk->sectors = size / SECTOR;
	return true;
}

static int open_file(struct disk *disk, const char *name)
{
	struct stat info;

	disk->fd = open(name, (disk->read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC);
	if (disk->fd < 0 || fstat(disk->fd, &info))
		return complain(-errno, "%s", name);
	if (flock(disk->fd, (disk->read_only ? LOCK_SH : LOCK_EX) | LOCK_NB))
		return errno == EWOULDBLOCK ? refuse("%s: another machine has this disk", name) :
					      complain(-errno, "%s", name);
	return measure(disk, &info) ? 0 :
	       refuse("%s: a disk is a file or block device of whole sectors of %d bytes", name, SECTOR);
}

int disk_open(struct disk *disk, const char *image, unsigned int number)
{
	size_t length = strlen(image), suffix = strlen(READ_ONLY);
	char *name = strdup(image);
	int r;

	*disk = (struct disk){ .fd = -1 };
	if (!name)
		return complain(-ENOMEM, "%s", image);
	snprintf(disk->id, sizeof(disk->id), "likexvm-%u", number);
	disk->read_only = length > suffix && !strcmp(image + length - suffix, READ_ONLY);
	if (disk->read_only)
		name[length - suffix] = 0;
	r = open_file(disk, name);
	free(name);
	if (r)
		disk_close(disk);
	return r;
}

void disk_close(struct disk *disk)
{
	if (disk->fd >= 0)
		close(disk->fd);
	disk->fd = -1;
}

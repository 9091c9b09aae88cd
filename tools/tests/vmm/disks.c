// SPDX-License-Identifier: GPL-2.0
/* Disks: requests in all forms, those that no driver makes, and errors of the host. */
#include <errno.h>
#include <linux/fs.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "disk.h"
#include "unit.h"

#define SECTOR		512
#define SECTORS		64
#define NONE		0x77		/* a status that has not been written */
#define ROUNDS		50000
#define FLUSHES		VIRTIO_FEATURE(VIRTIO_BLK_F_FLUSH)
#define MIB		(1U << 20)
#define LARGE		65		/* MiB: a disk with room for a request that is too large */

struct rig {
	char name[32], named_read_only[32];
	struct disk disk;
	struct virtio_config config;
	struct virtio_blk_outhdr head;
	uint8_t data[8 * SECTOR], status;
};

static unsigned int syncs;
static int block;			/* of all files, which are devices then, unless it is 0 */

/* These take the C library's place: calls are counted, and a file passes for a device. */
int fdatasync(int fd)
{
	syncs++;
	return syscall(SYS_fdatasync, fd);
}

int fstat(int fd, struct stat *info)
{
	int r = syscall(SYS_fstat, fd, info);

	if (block)
		info->st_mode = (info->st_mode & ~S_IFMT) | S_IFBLK;
	return r;
}

int ioctl(int fd, unsigned long command, ...)
{
	va_list args;
	void *arg;

	va_start(args, command);
	arg = va_arg(args, void *);
	va_end(args);
	if (command != BLKSSZGET)
		return syscall(SYS_ioctl, fd, command, arg);
	*(int *)arg = block;
	return 0;
}

static void open_disk(struct rig *rig, const char *name)
{
	CHECK(!disk_open(&rig->disk, name, 3));
	rig->config = (struct virtio_config){ 0 };
	disk_describe(&rig->disk, &rig->config);
}

static int64_t serve(struct rig *rig, struct virtqueue_chain *chain)
{
	rig->status = NONE;
	return rig->config.kind->serve(rig->config.device, 0, FLUSHES, chain);
}

/* Make a request with the data in one buffer; return its status. */
static uint8_t request(struct rig *rig, uint32_t type, uint64_t sector, uint32_t bytes, bool write)
{
	struct virtqueue_chain chain = { .reads = write ? 2 : 1, .writes = write ? 1 : 2 };
	int64_t written;

	rig->head = (struct virtio_blk_outhdr){ .type = type, .sector = sector };
	chain.buffers[0] = (struct iovec){ &rig->head, sizeof(rig->head) };
	chain.buffers[1] = (struct iovec){ rig->data, bytes };
	chain.buffers[2] = (struct iovec){ &rig->status, 1 };
	written = serve(rig, &chain);
	CHECK(written >= 1 && written <= bytes + 1);
	return rig->status;
}

static uint8_t clear(struct rig *rig, uint32_t type, uint64_t sector, uint32_t count, uint32_t flags)
{
	struct virtio_blk_discard_write_zeroes range = { sector, count, flags };

	memcpy(rig->data, &range, sizeof(range));
	return request(rig, type, 0, sizeof(range), true);
}

static void test_requests(struct rig *rig)
{
	static const uint8_t zeros[SECTOR];

	open_disk(rig, rig->name);
	CHECK(rig->disk.space.capacity == SECTORS && rig->config.space_size == 60);
	memset(rig->data, 'x', sizeof(rig->data));
	CHECK(request(rig, VIRTIO_BLK_T_OUT, SECTORS - 8, 8 * SECTOR, true) == VIRTIO_BLK_S_OK);
	memset(rig->data, 0, sizeof(rig->data));
	CHECK(request(rig, VIRTIO_BLK_T_IN, SECTORS - 1, SECTOR, false) == VIRTIO_BLK_S_OK);
	CHECK(rig->data[SECTOR - 1] == 'x' && !rig->data[SECTOR]);
	CHECK(request(rig, VIRTIO_BLK_T_FLUSH, 0, 0, false) == VIRTIO_BLK_S_OK);
	CHECK(request(rig, VIRTIO_BLK_T_GET_ID, 0, 20, false) == VIRTIO_BLK_S_OK);
	CHECK(!strcmp((char *)rig->data, "likexvm-3"));
	CHECK(request(rig, VIRTIO_BLK_T_SCSI_CMD, 0, 0, false) == VIRTIO_BLK_S_UNSUPP);
	CHECK(clear(rig, VIRTIO_BLK_T_DISCARD, SECTORS - 8, 8, 0) == VIRTIO_BLK_S_OK);
	CHECK(request(rig, VIRTIO_BLK_T_IN, SECTORS - 8, 8 * SECTOR, false) == VIRTIO_BLK_S_OK);
	CHECK(!memcmp(rig->data + 7 * SECTOR, zeros, SECTOR));
	CHECK(clear(rig, VIRTIO_BLK_T_WRITE_ZEROES, 0, 8, 1) == VIRTIO_BLK_S_OK);
	CHECK(clear(rig, VIRTIO_BLK_T_WRITE_ZEROES, 0, 8, 0) != VIRTIO_BLK_S_IOERR);
}

/* A head in two buffers, with a piece of the data; data in many, status after a piece of it */
static void test_pieces(struct rig *rig)
{
	struct virtqueue_chain chain = { .reads = 3 + SECTOR / 16, .writes = 1 };
	uint8_t *bytes = calloc(1, 16 + SECTOR);

	rig->head = (struct virtio_blk_outhdr){ .type = VIRTIO_BLK_T_OUT, .sector = 5 };
	memcpy(bytes, &rig->head, 16);
	memset(bytes + 16, 'y', SECTOR);
	chain.buffers[0] = (struct iovec){ bytes, 9 };
	chain.buffers[1] = (struct iovec){ bytes + 9, 8 };
	chain.buffers[2] = (struct iovec){ bytes + 17, 15 };
	for (unsigned int i = 0; i < SECTOR / 16; i++)
		chain.buffers[3 + i] = (struct iovec){ bytes + 32 + i * 16, 16 };
	chain.buffers[2 + SECTOR / 16] = (struct iovec){ &rig->status, 1 };
	chain.reads--;
	CHECK(serve(rig, &chain) == 1 && rig->status == VIRTIO_BLK_S_OK);
	rig->head.type = VIRTIO_BLK_T_IN;
	chain.reads = 1;
	chain.writes = 2;
	chain.buffers[0] = (struct iovec){ &rig->head, 16 };
	chain.buffers[1] = (struct iovec){ bytes, 100 };
	chain.buffers[2] = (struct iovec){ bytes + 100, SECTOR - 100 + 1 };
	CHECK(serve(rig, &chain) == SECTOR + 1 && bytes[0] == 'y' && bytes[SECTOR - 1] == 'y' && !bytes[SECTOR]);
	/* No room for a status, or no head: no request */
	chain.writes = 0;
	CHECK(serve(rig, &chain) == -EINVAL);
	chain.writes = 1;
	chain.buffers[0].iov_len = 15;
	CHECK(serve(rig, &chain) == -EINVAL);
	free(bytes);
}

static void test_bad(struct rig *rig)
{
	static const struct {
		uint64_t sector;
		uint32_t bytes;
	} bad[] = {
		{ SECTORS, SECTOR }, { SECTORS - 1, 2 * SECTOR }, { ~0ULL, SECTOR }, { 1ULL << 55, SECTOR },
		{ 0, 511 }, { 0, 1 }, { SECTORS + 1, 0 }, { ~0ULL / SECTOR, 8 * SECTOR },
	};

	for (unsigned int i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		CHECK(request(rig, VIRTIO_BLK_T_IN, bad[i].sector, bad[i].bytes, false) == VIRTIO_BLK_S_IOERR);
		CHECK(request(rig, VIRTIO_BLK_T_OUT, bad[i].sector, bad[i].bytes, true) == VIRTIO_BLK_S_IOERR);
	}
	CHECK(clear(rig, VIRTIO_BLK_T_DISCARD, 0, SECTORS + 1, 0) == VIRTIO_BLK_S_IOERR);
	CHECK(clear(rig, VIRTIO_BLK_T_DISCARD, ~0ULL, ~0U, 0) == VIRTIO_BLK_S_IOERR);
	CHECK(clear(rig, VIRTIO_BLK_T_DISCARD, 0, 1, 1) == VIRTIO_BLK_S_UNSUPP);
	CHECK(clear(rig, VIRTIO_BLK_T_WRITE_ZEROES, 0, 1, 2) == VIRTIO_BLK_S_UNSUPP);
	CHECK(request(rig, VIRTIO_BLK_T_DISCARD, 0, 15, true) == VIRTIO_BLK_S_IOERR);
	CHECK(request(rig, VIRTIO_BLK_T_DISCARD, 0, 32, true) == VIRTIO_BLK_S_IOERR);
}

static void test_host_errors(struct rig *rig)
{
	struct rlimit old, small = { .rlim_cur = 10 * SECTOR, .rlim_max = RLIM_INFINITY };

	/* The image gets shorter while the machine runs. */
	CHECK(!truncate(rig->name, 10 * SECTOR + 100));
	CHECK(request(rig, VIRTIO_BLK_T_IN, 9, SECTOR, false) == VIRTIO_BLK_S_OK);
	CHECK(request(rig, VIRTIO_BLK_T_IN, 9, 2 * SECTOR, false) == VIRTIO_BLK_S_IOERR);
	CHECK(request(rig, VIRTIO_BLK_T_IN, 11, SECTOR, false) == VIRTIO_BLK_S_IOERR);
	/* A write stops half way, as on a file system that is full. */
	signal(SIGXFSZ, SIG_IGN);
	CHECK(!getrlimit(RLIMIT_FSIZE, &old));
	small.rlim_max = old.rlim_max;
	CHECK(!setrlimit(RLIMIT_FSIZE, &small));
	CHECK(request(rig, VIRTIO_BLK_T_OUT, 8, 8 * SECTOR, true) == VIRTIO_BLK_S_IOERR);
	CHECK(request(rig, VIRTIO_BLK_T_OUT, 20, SECTOR, true) == VIRTIO_BLK_S_IOERR);
	CHECK(!setrlimit(RLIMIT_FSIZE, &old));
	CHECK(request(rig, VIRTIO_BLK_T_OUT, SECTORS - 1, SECTOR, true) == VIRTIO_BLK_S_OK);
}

static void test_hostile(struct rig *rig)
{
	struct stat info;

	srand(3);
	for (unsigned int round = 0; round < ROUNDS; round++) {
		struct virtqueue_chain chain = { .reads = rand() % 4, .writes = rand() % 4 };

		if (!(chain.reads + chain.writes))
			continue;
		for (unsigned int i = 0; i < sizeof(rig->data); i++)
			rig->data[i] = rand();
		/* Heads that are good at least in part */
		rig->head = (struct virtio_blk_outhdr){ .type = rand() % 15, .sector = rand() % (2 * SECTORS) };
		if (rand() % 8 == 0)
			rig->head.sector <<= rand() % 64;
		memcpy(rig->data, &rig->head, sizeof(rig->head));
		for (unsigned int i = 0; i < chain.reads + chain.writes; i++)
			chain.buffers[i] = (struct iovec){ rig->data, rand() % 3 ? (rand() % 5 + 1) * 16 : SECTOR };
		serve(rig, &chain);
	}
	CHECK(!stat(rig->name, &info) && info.st_size == SECTORS * SECTOR);
}

/* A device with large blocks tells the guest of them. */
static void test_blocks(struct rig *rig)
{
	struct disk other;

	CHECK(rig->disk.space.blk_size == SECTOR && rig->disk.space.discard_sector_alignment == 1);
	CHECK(rig->config.features & VIRTIO_FEATURE(VIRTIO_BLK_F_BLK_SIZE));
	disk_close(&rig->disk);
	block = 4096;
	open_disk(rig, rig->name);
	CHECK(rig->disk.space.blk_size == 4096 && rig->disk.space.discard_sector_alignment == 8);
	CHECK(rig->disk.space.capacity == SECTORS);
	disk_close(&rig->disk);
	block = 3 * 4096;
	CHECK(disk_open(&other, rig->name, 0) < 0);
	block = 0;
	open_disk(rig, rig->name);
}

/* Without flushes each write is on the disk at its end, zeros too. */
static void test_durable(struct rig *rig)
{
	static const struct {
		uint32_t type;
		unsigned int with, without;
	} calls[] = {
		{ VIRTIO_BLK_T_OUT, 0, 1 }, { VIRTIO_BLK_T_IN, 0, 0 }, { VIRTIO_BLK_T_FLUSH, 1, 1 },
		{ VIRTIO_BLK_T_WRITE_ZEROES, 0, 1 }, { VIRTIO_BLK_T_DISCARD, 0, 0 },
	};

	for (unsigned int i = 0; i < 2 * sizeof(calls) / sizeof(calls[0]); i++) {
		struct virtio_blk_outhdr head = { .type = calls[i / 2].type };
		bool zeroes = head.type == VIRTIO_BLK_T_WRITE_ZEROES;
		struct virtio_blk_discard_write_zeroes range = { 0, 1, zeroes };
		uint8_t data[SECTOR], result = NONE;
		struct virtqueue_chain chain = { .reads = 2, .writes = 1,
			.buffers = { { &head, sizeof(head) }, { data, SECTOR }, { &result, 1 } } };

		memcpy(data, &range, sizeof(range));
		if (zeroes || head.type == VIRTIO_BLK_T_DISCARD)
			chain.buffers[1].iov_len = sizeof(range);
		syncs = 0;
		CHECK(rig->config.kind->serve(rig->config.device, 0, i % 2 ? FLUSHES : 0, &chain) == 1);
		CHECK(result == VIRTIO_BLK_S_OK);
		CHECK(syncs == (i % 2 ? calls[i / 2].with : calls[i / 2].without));
	}
}

/* Read so many MiB, and sectors; the buffers are the same memory. */
static uint8_t read_large(struct rig *rig, uint8_t *data, unsigned int mib, unsigned int sectors)
{
	struct virtqueue_chain chain = { .reads = 1, .writes = mib + 2 };

	rig->head = (struct virtio_blk_outhdr){ .type = VIRTIO_BLK_T_IN };
	chain.buffers[0] = (struct iovec){ &rig->head, sizeof(rig->head) };
	for (unsigned int i = 1; i <= mib; i++)
		chain.buffers[i] = (struct iovec){ data, MIB };
	chain.buffers[mib + 1] = (struct iovec){ data, sectors * SECTOR };
	chain.buffers[mib + 2] = (struct iovec){ &rig->status, 1 };
	serve(rig, &chain);
	return rig->status;
}

/* A driver can know the longest request: so many buffers of so many bytes. */
static void test_large(struct rig *rig)
{
	uint8_t *data = malloc(MIB);

	disk_close(&rig->disk);
	CHECK(data && !truncate(rig->name, LARGE * (off_t)MIB));
	open_disk(rig, rig->name);
	CHECK(rig->config.features & VIRTIO_FEATURE(VIRTIO_BLK_F_SIZE_MAX));
	CHECK(rig->config.features & VIRTIO_FEATURE(VIRTIO_BLK_F_SEG_MAX));
	CHECK((uint64_t)rig->disk.space.size_max * (rig->disk.space.seg_max + 2) == 64 * MIB);
	CHECK(read_large(rig, data, 64, 0) == VIRTIO_BLK_S_OK);
	memset(data, 'z', MIB);
	CHECK(read_large(rig, data, 64, 1) == VIRTIO_BLK_S_IOERR && data[0] == 'z');
	disk_close(&rig->disk);
	CHECK(!truncate(rig->name, SECTORS * SECTOR));
	open_disk(rig, rig->name);
	free(data);
}

static void test_read_only(struct rig *rig)
{
	struct disk other;

	/* A disk that is written to is one machine's; one that is only read may be several's. */
	CHECK(disk_open(&other, rig->name, 0) < 0 && disk_open(&other, rig->named_read_only, 0) < 0);
	disk_close(&rig->disk);
	open_disk(rig, rig->named_read_only);
	CHECK(disk_open(&other, rig->name, 0) < 0 && !disk_open(&other, rig->named_read_only, 0));
	disk_close(&other);
	CHECK(rig->config.features & VIRTIO_FEATURE(VIRTIO_BLK_F_RO));
	CHECK(request(rig, VIRTIO_BLK_T_IN, 0, SECTOR, false) == VIRTIO_BLK_S_OK);
	CHECK(request(rig, VIRTIO_BLK_T_OUT, 0, SECTOR, true) == VIRTIO_BLK_S_IOERR);
	CHECK(clear(rig, VIRTIO_BLK_T_WRITE_ZEROES, 0, 8, 1) == VIRTIO_BLK_S_IOERR);
	CHECK(clear(rig, VIRTIO_BLK_T_DISCARD, 0, 8, 0) == VIRTIO_BLK_S_IOERR);
	disk_close(&rig->disk);
	CHECK(disk_open(&other, "/", 0) < 0 && disk_open(&other, "/dev/null", 0) < 0);
	CHECK(!truncate(rig->name, SECTOR + 1) && disk_open(&other, rig->name, 0) < 0);
	CHECK(!truncate(rig->name, 0) && disk_open(&other, rig->name, 0) < 0);
}

void test_disks(void)
{
	struct rig rig = { .name = "/tmp/likexvm-disk-XXXXXX" };
	int fd = mkstemp(rig.name);

	CHECK(fd >= 0 && !ftruncate(fd, SECTORS * SECTOR));
	close(fd);
	snprintf(rig.named_read_only, sizeof(rig.named_read_only), "%.27s,ro", rig.name);
	test_requests(&rig);
	test_pieces(&rig);
	test_bad(&rig);
	test_host_errors(&rig);
	test_hostile(&rig);
	test_blocks(&rig);
	test_durable(&rig);
	test_large(&rig);
	test_read_only(&rig);
	unlink(rig.name);
}

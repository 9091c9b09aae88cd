// SPDX-License-Identifier: GPL-2.0
/* Unit tests of the parts of likexvm that are without system calls of a hypervisor. */
#include "unit.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "memory.h"
#include "parse.h"

static unsigned int checks, failures;

void check_at(bool good, const char *file, int line, const char *what)
{
	checks++;
	if (good)
		return;
	failures++;
	printf("%s:%d: %s\n", file, line, what);
}

static uint64_t size_of(const char *text)
{
	uint64_t value;

	return parse_size(text, &value) ? value : ~0ULL;
}

static uint64_t seconds_of(const char *text)
{
	uint64_t value;

	return parse_seconds(text, &value) ? value : 0;
}

static void test_parse(void)
{
	uint64_t value;

	CHECK(size_of("0") == 0);
	CHECK(size_of("4096") == 4096);
	CHECK(size_of("3k") == 3 << 10);
	CHECK(size_of("512M") == 512 << 20);
	CHECK(size_of("2G") == 2ULL << 30);
	CHECK(size_of("17179869183G") == 17179869183ULL << 30);
	CHECK(size_of("17179869184G") == ~0ULL);
	CHECK(size_of("99999999999999999999") == ~0ULL);
	CHECK(size_of("") == ~0ULL && size_of("-1") == ~0ULL && size_of(" 1") == ~0ULL);
	CHECK(size_of("1T") == ~0ULL && size_of("1MB") == ~0ULL && size_of("M") == ~0ULL);

	CHECK(seconds_of("1") == 1000000000);
	CHECK(seconds_of("0.25") == 250000000);
	CHECK(seconds_of("0.0000000019") == 1);
	CHECK(!seconds_of("0") && !seconds_of("0.0") && !seconds_of(".5") && !seconds_of("1s"));
	CHECK(!seconds_of("-1") && !seconds_of("1e3") && !seconds_of("1000000000"));

	CHECK(parse_count("8", 1, 8, &value) && value == 8);
	CHECK(!parse_count("9", 1, 8, &value) && !parse_count("0", 1, 8, &value));
	CHECK(!parse_count("1 ", 1, 8, &value) && !parse_count("+1", 1, 8, &value));
}

static unsigned int pages_there(const struct memory *memory)
{
	unsigned char there[16] = { 0 };
	unsigned int count = 0;

	CHECK(!mincore(memory->bytes, memory->size, there));
	for (unsigned int i = 0; i < sizeof(there); i++)
		count += there[i] & 1;
	return count;
}

static void test_memory(void)
{
	struct memory memory;
	struct memory_part parts[2];

	CHECK(!memory_create(&memory, 0x10000));
	CHECK(memory_parts(&memory, parts) == 1 && parts[0].size == 0x10000);
	CHECK(memory_at(&memory, 0, 0x10000) == memory.bytes);
	CHECK(memory_at(&memory, 0xffff, 1) == memory.bytes + 0xffff);
	CHECK(!memory_at(&memory, 0xffff, 2) && !memory_at(&memory, 0x10000, 0));
	CHECK(!memory_at(&memory, 1, ~0ULL) && !memory_at(&memory, ~0ULL, 2));
	CHECK(memory_write(&memory, 0x1000, "abc", 4) && !strcmp((char *)memory.bytes + 0x1000, "abc"));
	CHECK(!memory_write(&memory, 0xfffe, "abc", 4));
	CHECK(pages_there(&memory) == 1);
	CHECK(!memory_populate(&memory) && pages_there(&memory) == 16);
	CHECK(!strcmp((char *)memory.bytes + 0x1000, "abc"));
	memory_destroy(&memory);
	CHECK(memory_populate(&(struct memory){ .size = 0x1000 }) == -ENOMEM);

	CHECK(!memory_create(&memory, MEMORY_HOLE + 0x2000));
	CHECK(memory_parts(&memory, parts) == 2 && parts[1].gpa == MEMORY_HIGH);
	CHECK(parts[1].size == 0x2000);
	CHECK(memory_at(&memory, MEMORY_HOLE - 1, 1) && !memory_at(&memory, MEMORY_HOLE - 1, 2));
	CHECK(!memory_at(&memory, MEMORY_HOLE, 1) && !memory_at(&memory, MEMORY_HIGH - 1, 1));
	CHECK(memory_at(&memory, MEMORY_HIGH, 0x2000) == memory.bytes + MEMORY_HOLE);
	CHECK(!memory_at(&memory, MEMORY_HIGH + 0x1fff, 2));
	memory_destroy(&memory);
}

int main(void)
{
	test_parse();
	test_memory();
	test_devices();
	test_images();
	test_queues();
	test_bus();
	test_disks();
	test_hvcs();
	test_mmio();
	test_threads();
	printf("%u checks, %u failures\n", checks, failures);
	return failures != 0;
}

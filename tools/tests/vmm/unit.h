/* SPDX-License-Identifier: GPL-2.0 */
/* A check of a unit test: it prints what does not hold, and counts. */
#ifndef LIKEXVM_UNIT_H
#define LIKEXVM_UNIT_H

#include <stdbool.h>

void check_at(bool good, const char *file, int line, const char *what);

#define CHECK(what)	check_at(what, __FILE__, __LINE__, #what)

/* The parts' tests */
void test_bus(void);
void test_devices(void);
void test_disks(void);
void test_hvcs(void);
void test_images(void);
void test_mmio(void);
void test_queues(void);
void test_threads(void);

#endif

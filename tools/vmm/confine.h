/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Limits on what a thread may do, before a guest runs: no new privileges, and a filter of
 * system calls (seccomp). Another call ends the process with SIGSYS.
 */
#ifndef LIKEXVM_CONFINE_H
#define LIKEXVM_CONFINE_H

enum confine {
	CONFINE_CPU,		/* runs a vCPU of a VM that is complete */
	CONFINE_WAIT,		/* waits for the end of a machine, and frees it */
	CONFINE_MAKE,		/* also makes VMs and threads */
	CONFINE_WORKER,		/* serves the requests of a device */
};

/* Confine the calling thread. Return 0, or a negative errno after a message. */
int confine(enum confine what);

#endif

/* SPDX-License-Identifier: GPL-2.0 */
/* A source of random numbers (virtio 1.2, "Entropy Device"): those of the host's kernel. */
#ifndef LIKEXVM_RNG_H
#define LIKEXVM_RNG_H

#include "virtio.h"

#define RNG_MOST	256		/* bytes for a request; so many come at once */

/* Set the members of a configuration that make a device of it. */
void rng_describe(struct virtio_config *config);

#endif

// SPDX-License-Identifier: GPL-2.0
/* See stats.h, and Linux's Documentation/virt/kvm/api.rst, "KVM_GET_STATS_FD". */
#include "stats.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define NAME_MOST	256
#define COLUMNS		4

/* Print one counter, if it is a plain one and not 0; count it. */
static void print_counter(FILE *to, int fd, const struct kvm_stats_header *head,
			  const struct kvm_stats_desc *desc, unsigned int *printed)
{
	uint32_t type = desc->flags & KVM_STATS_TYPE_MASK;
	uint64_t value;

	if (type > KVM_STATS_TYPE_PEAK || desc->size != 1 ||
	    pread(fd, &value, sizeof(value), head->data_offset + desc->offset) != sizeof(value) ||
	    !value)
		return;
	if (*printed && *printed % COLUMNS == 0)
		fprintf(to, "\n   ");
	fprintf(to, "  %s %llu", desc->name, (unsigned long long)value);
	++*printed;
}

void stats_print_file(FILE *to, int fd, const char *title)
{
	struct kvm_stats_header head;
	struct kvm_stats_desc *desc;
	unsigned int printed = 0;
	size_t size;

	if (pread(fd, &head, sizeof(head), 0) != sizeof(head) || head.name_size > NAME_MOST)
		return;
	size = sizeof(*desc) + head.name_size;
	/* One more, so that the name ends. */
	desc = calloc(1, size + 1);
	if (!desc)
		return;
	fprintf(to, "%s:", title);
	for (uint32_t i = 0; i < head.num_desc; i++) {
		if (pread(fd, desc, size, head.desc_offset + i * size) != (ssize_t)size)
			break;
		print_counter(to, fd, &head, desc, &printed);
	}
	fprintf(to, "\n");
	free(desc);
}

void stats_print(FILE *to, const struct vm *vm)
{
	int fd = ioctl(vm->fd, KVM_GET_STATS_FD, NULL);

	if (fd < 0)
		return;
	stats_print_file(to, fd, "VM");
	close(fd);
}

void stats_print_vcpu(FILE *to, const struct vcpu *vcpu, bool likex)
{
	/* Without this, the one descriptor of /dev/likex gives those of the VM. */
	struct likex_vcpu_ioctl call = { .vcpu = vcpu->handle.vcpu, .cmd = KVM_GET_STATS_FD };
	int fd = likex ? ioctl(vcpu->handle.fd, LIKEX_VCPU_IOCTL, &call)
		       : ioctl(vcpu->handle.fd, KVM_GET_STATS_FD, NULL);
	char title[32];

	if (fd < 0)
		return;
	snprintf(title, sizeof(title), "vCPU %u", vcpu->handle.vcpu);
	stats_print_file(to, fd, title);
	close(fd);
}

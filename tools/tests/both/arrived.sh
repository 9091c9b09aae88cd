#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# In the kernel that was started by another: is VMX usable on each processor?
set -eu

grep -qw both.next=1 /proc/cmdline || { echo "this is the first kernel still"; exit 1; }
modprobe kvm_intel
modprobe x86_virt_test_user
hello
for cpu in /sys/devices/system/cpu/cpu[0-9]*; do
	uret -c "${cpu##*cpu}" -n 1600
done
echo "VMX on CPUs $(cat /sys/module/x86_virt_test_user/parameters/vmxe)"

#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Guests of KVM on each processor, with the second user of VMX at work there.
#
# usage: load.sh EXITS
set -eu

user=/sys/module/x86_virt_test_user/parameters
modprobe kvm_intel
modprobe x86_virt_test_user

pids=
for cpu in /sys/devices/system/cpu/cpu[0-9]*; do
	uret -c "${cpu##*cpu}" -n "$1" &
	pids="$pids $!"
done
status=0
for pid in $pids; do
	wait "$pid" || status=1
done

echo "turns $(cat $user/turns) loads $(cat $user/loads) errors $(cat $user/errors)"
exit $status

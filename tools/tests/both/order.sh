#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Load and unload KVM and the second user of VMX in every order. After each step,
# VMX must be on exactly if one of them uses it.
#
# usage: order.sh ROUNDS
set -eu

user=/sys/module/x86_virt_test_user/parameters
cpus=$(cat /sys/devices/system/cpu/online)
wrong=0

# MSR CPU: its 64 bits
msr() {
	dd if="/dev/cpu/$2/msr" bs=8 count=1 skip="$(($1))" iflag=skip_bytes 2>/dev/null | hexdump -e '2/4 "%08x "' | grep . ||
		echo "unreadable-$1-$2"
}

# MSRs that must never change: FEAT_CTL, VMX_BASIC, EFER, STAR, LSTAR, SFMASK, TSC_AUX
msrs() {
	for cpu in /dev/cpu/[0-9]*; do
		for index in 0x3a 0x480 0xc0000080 0xc0000081 0xc0000082 0xc0000084 0xc0000103; do
			msr "$index" "${cpu##*/}"
		done
	done
}

# kvm itself does not touch VMX, and takes seconds to load, on the debug kernel
# minutes: it goes and comes once.
kvm=0
unloads=1
second=0

step() {
	case $1 in
	+kvm) modprobe kvm_intel; kvm=1 ;;
	-kvm)
		rmmod kvm_intel
		if [ $unloads -gt 0 ]; then
			rmmod kvm
			unloads=$((unloads - 1))
		fi
		kvm=0 ;;
	+user) echo 1 > $user/active; second=1 ;;
	-user) echo 0 > $user/active; second=0 ;;
	esac
	case $((kvm + second)) in
	0) want= ;;
	*) want=$cpus ;;
	esac
	got=$(cat $user/vmxe)
	if [ "$got" != "$want" ]; then
		echo "after $1: VMX is on on CPUs '$got', not '$want'"
		wrong=$((wrong + 1))
	fi
}

modprobe x86_virt_test_user active=0
before=$(msrs)
round=0
while [ $round -lt "$1" ]; do
	for order in "+kvm +user -kvm -user" "+kvm +user -user -kvm" \
		     "+user +kvm -user -kvm" "+user +kvm -kvm -user"; do
		for one in $order; do
			step "$one"
			[ $kvm = 0 ] || hello > /dev/null || { echo "after $one: no guest runs"; wrong=$((wrong + 1)); }
		done
		after=$(msrs)
		[ "$after" = "$before" ] || { echo "MSRs after $order: $after, not $before"; wrong=$((wrong + 1)); }
	done
	round=$((round + 1))
done

# The module itself, with KVM on and off
for one in +kvm -kvm; do
	rmmod x86_virt_test_user
	modprobe x86_virt_test_user
	second=1
	step $one
	step -user
done

errors=$(cat $user/errors)
echo "rounds $round, wrong $wrong, errors $errors, feat_ctl $(msr 0x3a 0)"
[ "$wrong" = 0 ] && [ "$errors" = 0 ]

#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Suspend as far as the last processor with interrupts off, and come back.
#
# usage: suspend.sh TIMES
set -eu

user=/sys/module/x86_virt_test_user/parameters
wrong=0

modprobe kvm_intel
modprobe x86_virt_test_user
if ! grep -qw mem /sys/power/state || [ ! -e /sys/power/pm_test ]; then
	echo "this machine cannot suspend to memory"
	exit 4
fi

# The five seconds that it sleeps are long here.
echo 1 > /sys/module/suspend/parameters/pm_test_delay
echo core > /sys/power/pm_test
times=0
while [ $times -lt "$1" ]; do
	uret -c 0 -n 480 &
	echo mem > /sys/power/state
	wait $! || wrong=$((wrong + 1))
	[ "$(cat $user/vmxe)" = 0-1 ] || { echo "VMX is on on CPUs '$(cat $user/vmxe)'"; wrong=$((wrong + 1)); }
	uret -c 1 -n 480 || wrong=$((wrong + 1))
	times=$((times + 1))
done

errors=$(cat $user/errors)
echo "times $times, wrong $wrong, errors $errors"
[ "$wrong" = 0 ] && [ "$errors" = 0 ]

#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Take the second processor down and up again, with guests and the second user
# of VMX at work on both.
#
# usage: hotplug.sh TIMES
set -eu

user=/sys/module/x86_virt_test_user/parameters
cpu1=/sys/devices/system/cpu/cpu1/online
wrong=0

expect() {
	got=$(cat $user/vmxe)
	[ "$got" = "$1" ] || { echo "VMX is on on CPUs '$got', not '$1'"; wrong=$((wrong + 1)); }
}

modprobe kvm_intel
modprobe x86_virt_test_user

# These move to and fro with the processor.
churn() {
	while [ ! -e /tmp/enough ]; do
		hello > /dev/null || touch /tmp/guest-failed
	done
}
churn &
churn &
churn &

times=0
while [ $times -lt "$1" ]; do
	expect 0-1
	uret -c 1 -n 480 || wrong=$((wrong + 1))
	echo 0 > $cpu1
	expect 0
	before=$(cat $user/turns)
	uret -c 0 -n 480 || wrong=$((wrong + 1))
	[ "$(cat $user/turns)" -gt "$before" ] || { echo "no turns on the first processor"; wrong=$((wrong + 1)); }
	echo 1 > $cpu1
	times=$((times + 1))
done
expect 0-1

# A processor that came back must also let go.
touch /tmp/enough
wait
[ ! -e /tmp/guest-failed ] || { echo "a guest failed"; wrong=$((wrong + 1)); }
rmmod kvm_intel kvm
echo 0 > $user/active
expect ""

errors=$(cat $user/errors)
echo "times $times, wrong $wrong, errors $errors"
[ "$wrong" = 0 ] && [ "$errors" = 0 ]

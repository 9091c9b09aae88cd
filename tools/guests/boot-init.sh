#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# The first program of a Linux guest of which only the boot is measured. With the word "wait" in
# the kernel's command line it says that it has come up, and waits before it resets its machine.

export PATH=/bin
mount -t proc proc /proc
if grep -qw wait /proc/cmdline; then
	echo "guest: ready"
	sleep 8
fi
reboot -f

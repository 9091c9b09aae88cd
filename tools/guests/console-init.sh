#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# The first program of a Linux guest whose console is virtio's. It answers a line, sends many,
# and reboots; with the word "flood" it sends without an end, while random numbers are read.

export PATH=/bin
mount -t proc proc /proc
mount -t devtmpfs dev /dev
exec </dev/console >/dev/console 2>&1
stty -echo -onlcr

interrupts() { awk "/$1/"' { for (i = 2; i < NF - 2; i++) n += $i } END { print n + 0 }' /proc/interrupts; }

echo "guest: ready"
if grep -qw flood /proc/cmdline; then
	cat /dev/hwrng >/dev/null &
	yes
fi
read -r line
echo "guest: got $line"
seq 3000
[ "$(interrupts virtio0)" -gt 0 ] && echo "guest: interrupts come"
echo "guest: done"
reboot -f

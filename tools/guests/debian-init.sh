#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# The first program of a guest with a kernel of Debian's, which has virtio in modules: it loads
# those in /modules, in the order in which they are named there, and becomes a shell.

export PATH=/bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
stty -echo
for module in /modules/*; do
	insmod "$module" || echo "guest: no $module"
done
echo "guest: ready"
exec sh

#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# The first program of a Linux guest with virtio devices. It writes a file to a disk that is
# empty, sends it over one network card and receives it by another, or receives the same file
# from QEMU, reads a line from the console, and reboots. After the reboot it reads the file again.

export PATH=/bin
mount -t proc proc /proc
mount -t devtmpfs dev /dev
exec </dev/hvc0 >/dev/hvc0 2>&1
stty -echo

say() { echo "guest: $*"; }

sum() { sha1sum | cut -c1-40; }

# The only card's network is QEMU's own ("user"), which has the same file.
fetched() {
	ip addr add 10.0.2.15/24 dev eth0
	ip link set eth0 up
	ping -c 1 10.0.2.2 >/dev/null || say "no answer"
	tftp -g -r file -l /tmp/file 10.0.2.2
	say "received $(sum </tmp/file)"
}

# The second card is in a network namespace of its own, so that the file really leaves the guest.
network() {
	unshare -n sleep 1000 &
	other=$!
	while [ "$(readlink /proc/$other/ns/net)" = "$(readlink /proc/self/ns/net)" ]; do
		usleep 10000
	done
	ip link set eth1 netns $other
	nsenter -t $other -n ip addr add 10.0.0.2/24 dev eth1
	nsenter -t $other -n ip link set eth1 up
	ip addr add 10.0.0.1/24 dev eth0
	ip link set eth0 up
	ping -c 1 10.0.0.2 >/dev/null || say "no answer"
	nsenter -t $other -n nc -l -p 99 -e cat /mnt/file &
	usleep 200000
	say "received $(nc 10.0.0.2 99 </dev/null | sum)"
	kill $other
}

mode=xapic
grep -qw x2apic /proc/cpuinfo && mode=x2apic
say "cpus $(grep -c ^processor /proc/cpuinfo), $mode"
if mount -t ext2 /dev/vda /mnt 2>/dev/null; then
	say "read $(sum </mnt/file)"
	umount /mnt
	reboot -f
fi
mke2fs /dev/vda >/dev/null
mount -t ext2 /dev/vda /mnt
seq 20000 >/mnt/file
sync
say "wrote $(sum </mnt/file)"
if grep -q eth1 /proc/net/dev; then
	network
else
	fetched
fi
say "what now?"
read -r line
say "console: $line"
umount /mnt
reboot -f

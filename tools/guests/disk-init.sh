#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# The first program of a Linux guest with up to three disks. It makes a file system on the
# first, which is empty, writes a file there and reboots; then it reads the file again. The
# second disk cannot be written to. All blocks of the third are written, half of them discarded.
# If there is a source of random numbers, bytes of it are read.

export PATH=/bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev

say() { echo "guest: $*"; }

sum() { sha1sum | cut -c1-40; }

# Read a disk itself, not what the kernel remembers.
fresh() { dd if="/dev/$1" bs=64k iflag=direct 2>/dev/null | sum; }

interrupts() { awk '/virtio[0-9]/ { for (i = 2; i < NF - 2; i++) n += $i } END { print n }' /proc/interrupts; }

other_disks() {
	say "second $(fresh vdb), $(blockdev --getsz /dev/vdb) sectors, ro $(cat /sys/block/vdb/ro)"
	dd if=/dev/zero of=/dev/vdb bs=4k count=1 conv=fsync 2>/dev/null && say "could write"
	say "serials $(cat /sys/block/vda/serial) $(cat /sys/block/vdb/serial) $(cat /sys/block/vdc/serial)"
	yes | dd of=/dev/vdc bs=64k iflag=fullblock oflag=direct count=8 2>/dev/null
	say "third $(fresh vdc)"
	blkdiscard -o 262144 -l 262144 /dev/vdc || say "cannot discard"
	say "discarded $(fresh vdc)"
}

random() { dd if=/dev/hwrng bs=100 count=5 iflag=fullblock 2>/dev/null; }

[ "$(random | wc -c)" = 500 ] && [ "$(random | sum)" != "$(random | sum)" ] &&
	say "random $(cat /sys/class/misc/hw_random/rng_current)"
say "cpus $(grep -c ^processor /proc/cpuinfo)"
if grep -qw once /proc/cmdline; then
	mount -t ext2 -o ro /dev/vda /mnt && say "again $(sum </mnt/file)"
	reboot -f
elif mount -t ext2 /dev/vda /mnt 2>/dev/null; then
	say "read $(sum </mnt/file)"
	umount /mnt
	say ready
	sleep 1
	before=$(interrupts)
	dd if=/dev/vda of=/dev/null bs=4k iflag=direct count=400 2>/dev/null
	[ $(($(interrupts) - before)) -ge 400 ] && say "interrupts come"
	say "done"
	sleep 1000
fi
mke2fs /dev/vda >/dev/null
mount -t ext2 /dev/vda /mnt
seq 20000 >/mnt/file
sync
echo 3 >/proc/sys/vm/drop_caches
say "wrote $(sum </mnt/file)"
umount /mnt
other_disks
reboot -f

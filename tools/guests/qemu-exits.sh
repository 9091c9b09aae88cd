#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# qemu-exits.sh CPUS QEMU...: run QEMU until its guest has ended; then ask its monitor how
# often each vCPU left the guest, and print the sum of each count on standard error.

cpus=$1
shift
# QEMU may end before it is told to.
trap '' PIPE
monitor=/tmp/monitor
rm -f $monitor.*
mkfifo $monitor.in $monitor.out
cat $monitor.out >$monitor.text &
"$@" -action shutdown=pause -chardev pipe,id=monitor,path=$monitor -mon chardev=monitor &
qemu=$!
exec 3>$monitor.in
until grep -q 'paused (shutdown)' $monitor.text; do
	kill -0 $qemu 2>/dev/null || break
	echo "info status" >&3
	sleep 1
done
for cpu in $(seq 0 $((cpus - 1))); do
	echo "cpu $cpu" >&3
	echo "info stats vcpu" >&3
done
echo "quit" >&3
wait $qemu
status=$?
tr -d '\r' <$monitor.text | awk '/^ *[a-z_]*exits .*: *[0-9]+$/ { sum[$1] += $NF }
	END { for (name in sum) print "guest: " name " " sum[name] }' >&2
exit $status

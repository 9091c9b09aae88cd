#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Leave this kernel with guests and the second user of VMX at work on all
# processors.
#
# usage: leave.sh kexec|panic COMMAND-LINE, leave.sh reboot
set -eu

# Checking the sums of what is loaded takes long enough on an idle machine.
case $1 in
kexec)	kexec -l /next/kernel /next/initrd "$2" ;;
panic)	kexec -p /next/kernel /next/initrd "$2" ;;
esac
echo "ready to leave"

modprobe kvm_intel
modprobe x86_virt_test_user

uret -c 0 -n 100000000 &
uret -c 1 -n 100000000 &
sleep 1
echo "turns $(cat /sys/module/x86_virt_test_user/parameters/turns)"

case $1 in
kexec)	kexec -e ;;
panic)	echo c > /proc/sysrq-trigger ;;
reboot)	reboot -f ;;
esac
sleep 60
echo "still here"
exit 1

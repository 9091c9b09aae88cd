#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# No hypervisor uses VMX without an emergency callback: where no place is left for
# one, KVM and the second user are refused, and can be loaded when there is.
#
# usage: full.sh
set -eu

user=/sys/module/x86_virt_test_user/parameters
wrong=0

# TEXT COMMAND...: what must succeed; "!" before it: what must not
must() {
	text=$1
	shift
	if "$@" 2>/dev/null; then
		return
	fi
	echo "wrong: $text"
	wrong=$((wrong + 1))
}

fails() {
	! "$@"
}

guest() {
	hello > /dev/null
}

set_to() {
	echo "$1" > "$user/$2"
}

modprobe kvm
modprobe x86_virt_test_user active=0

# As many as there are places
places=0
while set_to $((places + 1)) callbacks 2>/dev/null; do
	places=$((places + 1))
done
echo "places $places"

must "KVM is refused" fails modprobe kvm_intel
must "KVM is not there" fails [ -e /dev/kvm ]
must "the second user is refused" fails set_to 1 active
must "VMX is off" [ -z "$(cat $user/vmxe)" ]

set_to $((places - 1)) callbacks
must "KVM has the last place" modprobe kvm_intel
must "a guest runs" guest
must "the second user is refused beside KVM" fails set_to 1 active
must "no other place is left" fails set_to $places callbacks

set_to 0 callbacks
must "the second user has a place" set_to 1 active
must "a guest runs beside it" guest
rmmod kvm_intel
set_to 0 active

# If VMX is turned on only for the first VM, that VM is refused.
rmmod kvm
modprobe kvm enable_virt_at_load=0
set_to $places callbacks
modprobe kvm_intel
must "KVM makes no VM" fails guest
set_to 0 callbacks
must "KVM makes a VM" guest

echo "wrong $wrong"
[ $wrong = 0 ]

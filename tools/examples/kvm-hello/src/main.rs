// SPDX-License-Identifier: GPL-2.0
//! A guest in real mode says Hello three times, and halts after each: the
//! smallest use of kvm-ioctls. hello.c beside it makes the same system calls.

use kvm_bindings::kvm_userspace_memory_region;
use kvm_ioctls::{Kvm, VcpuExit, VcpuFd, VmFd};
use std::error::Error;
use std::io;

const MEMORY: usize = 0x4000; // bytes
const PORT: u16 = 0xf1;
const TIMES: usize = 3;

/// Code at address 0: for each byte, mov $byte, %al and outb %al, $PORT; then hlt, and a jump to its begin.
fn code(text: &[u8]) -> Vec<u8> {
    let mut code = Vec::new();
    for &byte in text {
        code.extend([0xb0, byte, 0xe6, PORT as u8]);
    }
    code.push(0xf4);
    let back = -(code.len() as i8 + 2);
    code.extend([0xeb, back as u8]);
    code
}

/// Give the VM memory at address 0, which begins with an image.
fn set_up_memory(vm: &VmFd, image: &[u8]) -> Result<(), Box<dyn Error>> {
    // SAFETY: the kernel chooses a place where nothing else is.
    let host = unsafe {
        libc::mmap(std::ptr::null_mut(), MEMORY, libc::PROT_READ | libc::PROT_WRITE,
                   libc::MAP_SHARED | libc::MAP_ANONYMOUS, -1, 0)
    };
    if host == libc::MAP_FAILED {
        return Err(io::Error::last_os_error().into());
    }
    // SAFETY: the image is shorter than the mapping, which is never unmapped.
    unsafe {
        std::ptr::copy_nonoverlapping(image.as_ptr(), host.cast(), image.len());
        vm.set_user_memory_region(kvm_userspace_memory_region {
            slot: 0,
            flags: 0,
            guest_phys_addr: 0,
            memory_size: MEMORY as u64,
            userspace_addr: host as u64,
        })?;
    }
    Ok(())
}

/// Start at address 0 in real mode.
fn set_up_vcpu(vcpu: &VcpuFd) -> Result<(), Box<dyn Error>> {
    let mut sregs = vcpu.get_sregs()?;
    sregs.cs.selector = 0;
    sregs.cs.base = 0;
    vcpu.set_sregs(&sregs)?;
    let mut regs = vcpu.get_regs()?;
    regs.rip = 0;
    regs.rflags = 2;
    vcpu.set_regs(&regs)?;
    Ok(())
}

fn run(vcpu: &mut VcpuFd) -> Result<(), Box<dyn Error>> {
    let mut halts = 0;
    while halts < TIMES {
        match vcpu.run()? {
            VcpuExit::IoOut(PORT, data) => print!("{}", String::from_utf8_lossy(data)),
            VcpuExit::Hlt => {
                println!("KVM_EXIT_HLT");
                halts += 1;
            }
            other => return Err(format!("an exit that was not expected: {other:?}").into()),
        }
    }
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let kvm = Kvm::new()?;
    let vm = kvm.create_vm()?;
    set_up_memory(&vm, &code(b"Hello\n"))?;
    let mut vcpu = vm.create_vcpu(0)?;
    set_up_vcpu(&vcpu)?;
    run(&mut vcpu)
}

// SPDX-License-Identifier: GPL-2.0
//! A guest that stores to and loads from an address where there is no memory: the
//! emulator with a safe interface, and a machine of one page and one register.
use likex_sys::*;
use std::os::raw::{c_int, c_void};

const MEMORY: usize = 4096;
const DEVICE: u64 = 0xd0000;

/// Memory, and a device that notes what it is asked for.
struct Machine {
    memory: Vec<u8>,
    register: u64,
    seen: Vec<(bool, u64, u8)>,
}

impl Machine {
    fn access(&mut self, write: bool, addr: u64, data: &mut [u8]) {
        let len = data.len();
        self.seen.push((write, addr, len as u8));
        let mut value = self.register.to_le_bytes();
        if write {
            value[..len].copy_from_slice(data);
            self.register = u64::from_le_bytes(value);
        } else {
            data.copy_from_slice(&value[..len]);
        }
    }
}

unsafe extern "C" fn map(ctx: *mut c_void, gpa: u64, _write: bool) -> *mut c_void {
    let machine = &mut *ctx.cast::<Machine>();
    match machine.memory.get_mut(gpa as usize..) {
        Some(rest) if !rest.is_empty() => rest.as_mut_ptr().cast(),
        _ => std::ptr::null_mut(),
    }
}

unsafe extern "C" fn io(ctx: *mut c_void, io: *mut likex_io) -> c_int {
    let (machine, io) = (&mut *ctx.cast::<Machine>(), &mut *io);
    machine.access(io.write, io.addr, &mut io.data[..io.len.into()]);
    0
}

/// An emulator and the machine that it works on.
struct Emulator {
    raw: *mut likex_emul,
    machine: Box<Machine>,
}

impl Emulator {
    fn new(machine: Machine) -> Option<Self> {
        let mut machine = Box::new(machine);
        let ctx: *mut Machine = &mut *machine;
        // SAFETY: zero is NULL for each callback, and the library copies the structure.
        let mut ops: likex_emul_ops = unsafe { std::mem::zeroed() };
        ops.size = std::mem::size_of::<likex_emul_ops>() as u32;
        ops.map = Some(map);
        ops.io = Some(io);
        // SAFETY: the box keeps the machine where it is for as long as the emulator lives.
        let raw = unsafe { likex_emul_new(&ops, ctx.cast(), std::ptr::null()) };
        (!raw.is_null()).then_some(Self { raw, machine })
    }

    /// Execute one instruction; an error has the library's result.
    fn step(&mut self, regs: &mut likex_regs, sregs: &mut likex_sregs) -> Result<(), c_int> {
        // SAFETY: a structure of integers and pointers, for all of which zero is a value.
        let mut step: likex_step = unsafe { std::mem::zeroed() };
        step.size = std::mem::size_of::<likex_step>() as u32;
        step.regs = regs;
        step.sregs = sregs;
        // SAFETY: both registers and the machine outlive the call.
        match unsafe { likex_emul_step(self.raw, &mut step) } as u32 {
            LIKEX_DONE => Ok(()),
            other => Err(other as c_int),
        }
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        // SAFETY: made by likex_emul_new(), and freed here only.
        unsafe { likex_emul_free(self.raw) }
    }
}

/// Run `code` in real mode with DS at the device; return the machine and RAX.
fn run(code: &[u8], instructions: usize) -> Result<(Machine, u64), c_int> {
    let mut memory = vec![0; MEMORY];
    memory[..code.len()].copy_from_slice(code);
    let machine = Machine { memory, register: 0, seen: Vec::new() };
    let mut emulator = Emulator::new(machine).ok_or(-1)?;
    let flat = likex_segment { limit: 0xffff, present: 1, s: 1, type_: 3, ..unsafe { std::mem::zeroed() } };
    let mut sregs: likex_sregs = unsafe { std::mem::zeroed() };
    (sregs.cs, sregs.ss, sregs.es) = (likex_segment { type_: 11, ..flat }, flat, flat);
    sregs.ds = likex_segment { base: DEVICE, ..flat };
    let mut regs: likex_regs = unsafe { std::mem::zeroed() };
    (regs.rax, regs.rflags) = (0x1234, 2);
    for _ in 0..instructions {
        emulator.step(&mut regs, &mut sregs)?;
    }
    let seen = std::mem::take(&mut emulator.machine.seen);
    let machine = Machine { memory: Vec::new(), register: emulator.machine.register, seen };
    Ok((machine, regs.rax))
}

// mov [0], ax; mov byte [1], 0x56; mov ax, [0]
const CODE: [u8; 11] = [0xa3, 0, 0, 0xc6, 6, 1, 0, 0x56, 0xa1, 0, 0];

fn main() -> Result<(), c_int> {
    // SAFETY: it only tells a number.
    let version = unsafe { likex_version() };
    println!("liblikex {}.{}", version >> 16, version & 0xffff);
    let (machine, rax) = run(&CODE, 3)?;
    for (write, addr, len) in &machine.seen {
        println!("{} {addr:x}, {len} bytes", if *write { "write" } else { "read " });
    }
    println!("register {:#x}, rax {rax:#x}", machine.register);
    Ok(())
}

#[test]
fn store_and_load() {
    let (machine, rax) = run(&CODE, 3).unwrap();
    // The device has one register, whatever the address.
    assert_eq!(machine.seen, [(true, DEVICE, 2), (true, DEVICE + 1, 1), (false, DEVICE, 2)]);
    assert_eq!((machine.register, rax), (0x1256, 0x1256));
}

#[test]
fn refused() {
    assert_eq!(run(&[0x0f, 0xa2], 1).err(), Some(LIKEX_UNSUPPORTED as c_int));
}

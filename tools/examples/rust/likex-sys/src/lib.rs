// SPDX-License-Identifier: LGPL-2.1-or-later
//! The functions and structures of `<likex/emul.h>`, as they are in C.
//!
//! `bindings.rs` is generated from the header: `make -C tools/examples/rust bindings`.
#![allow(non_camel_case_types, non_upper_case_globals)]

include!("bindings.rs");

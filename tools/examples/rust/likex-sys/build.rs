// SPDX-License-Identifier: LGPL-2.1-or-later
//! Find liblikex in LIKEX_LIB_DIR, or ask pkg-config for its folder.
use std::{env, process::Command};

fn pkg_config() -> Option<String> {
    let done = Command::new("pkg-config").args(["--libs-only-L", "liblikex"]).output().ok()?;
    if !done.status.success() {
        return None;
    }
    Some(String::from_utf8(done.stdout).ok()?.trim().trim_start_matches("-L").to_owned())
}

fn main() {
    println!("cargo:rerun-if-env-changed=LIKEX_LIB_DIR");
    match env::var("LIKEX_LIB_DIR").ok().or_else(pkg_config) {
        Some(dir) if !dir.is_empty() => println!("cargo:rustc-link-search=native={dir}"),
        _ => {}
    }
    println!("cargo:rustc-link-lib=dylib=likex");
}

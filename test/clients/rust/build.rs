// SPDX-License-Identifier: MIT OR Apache-2.0
//! Where libvalet.a is: VALET_LIB_DIR, the `lib` directory of an installation of valet.

fn main() {
    println!("cargo:rerun-if-env-changed=VALET_LIB_DIR");
    let dir = std::env::var("VALET_LIB_DIR").expect("VALET_LIB_DIR: the directory of libvalet.a");
    println!("cargo:rerun-if-changed={dir}/libvalet.a");
    println!("cargo:rustc-link-search=native={dir}");
    println!("cargo:rustc-link-lib=static=valet");
}

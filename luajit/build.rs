//! Builds LuaJIT as the crate luajit-src does, with our changes to its sources.
//!
//! That crate copies its sources into the build folder and runs make there. GNU make first reads
//! the files that `MAKEFILES` names; `changes.mk` applies `changes/*.patch` to the copy. What a
//! change is for stands at its head.

fn main() {
    let changes = concat!(env!("CARGO_MANIFEST_DIR"), "/changes");
    let makefile = concat!(env!("CARGO_MANIFEST_DIR"), "/changes.mk");
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed={changes}");
    println!("cargo:rerun-if-changed={makefile}");
    std::env::set_var("LUAJIT_CHANGES", changes);
    std::env::set_var("MAKEFILES", makefile);
    let built = luajit_src::Build::new().build();
    println!("cargo:rustc-link-search=native={}", built.lib_dir().display());
    for library in built.libs() {
        // Whole, because a linker that reads its input once may see it before those that use it.
        println!("cargo:rustc-link-lib=static:+whole-archive={library}");
    }
}

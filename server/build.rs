//! Tells `http::assets` where the site is that it embeds.

use std::path::{Path, PathBuf};

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // Without the site the server builds as well; it then has no scripts and no style.
    let out = PathBuf::from(std::env::var_os("OUT_DIR").unwrap_or_default());
    let release = std::env::var("PROFILE").is_ok_and(|profile| profile == "release");
    let site = target_dir(&out).join(if release { "site-release" } else { "site" });
    println!("cargo::rustc-env=SALTPETER_SITE={}", site.display());
    // A debug build reads the site from disk at run time, so only a release depends on its content.
    if release {
        println!("cargo::rerun-if-changed={}", site.display());
    }
}

/// The target directory that `out` (`TARGET[/TRIPLE]/PROFILE/build/PACKAGE-HASH/out`) is in.
fn target_dir(out: &Path) -> &Path {
    let profile_dir = out.ancestors().nth(3).unwrap_or(out);
    let above = profile_dir.parent().unwrap_or(profile_dir);
    // Cargo puts this at the top of each target directory; a triple's directory has none.
    match above.parent() {
        Some(top) if !above.join("CACHEDIR.TAG").exists() && top.join("CACHEDIR.TAG").exists() => {
            top
        }
        _ => above,
    }
}

//! Where things are, and how cargo is called there.

use crate::Mode;
use anyhow::{Context, Result};
use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The checkout and its build directory.
pub(crate) struct Workspace {
    /// The directory of the root `Cargo.toml`.
    pub(crate) root: PathBuf,
    /// Cargo's target directory.
    pub(crate) target: PathBuf,
}

impl Workspace {
    /// The workspace that this program is run in.
    pub(crate) fn find() -> Result<Self> {
        // Cargo says so at run time too; the path compiled in may be that of another checkout with
        // which this one shares a target directory.
        let manifest = variable("CARGO_MANIFEST_DIR");
        let manifest = manifest.as_deref().unwrap_or(env!("CARGO_MANIFEST_DIR"));
        let root = Path::new(manifest)
            .parent()
            .context("xtask is not inside a workspace")?
            .to_owned();
        let target = target_dir(&root, variable, &env::current_dir()?);
        Ok(Self { root, target })
    }

    /// Cargo, at the root, with nothing left over from the cargo that started this program: some
    /// build scripts run anew whenever such a variable changes.
    pub(crate) fn cargo(&self) -> Command {
        let mut command = self.command(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        for (name, _) in env::vars_os() {
            let name = name.to_string_lossy();
            if name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_") {
                command.env_remove(&*name);
            }
        }
        command.env("CARGO_TARGET_DIR", &self.target);
        command
    }

    /// Any program, at the root.
    pub(crate) fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        command.current_dir(&self.root);
        command
    }

    /// The directory of the browser tests.
    pub(crate) fn end2end(&self) -> PathBuf {
        self.root.join("end2end")
    }

    /// What the browser gets. A debug server reads it from here, a release server embeds it; one of
    /// each, so that neither build spoils the other. `server/build.rs` knows them too.
    pub(crate) fn site(&self, mode: Mode) -> PathBuf {
        self.target.join(match mode {
            Mode::Dev => "site",
            Mode::Release => "site-release",
        })
    }

    /// The directory of the native binaries.
    pub(crate) fn binaries(&self, mode: Mode) -> PathBuf {
        self.target.join(match mode {
            Mode::Dev => "debug",
            Mode::Release => "release",
        })
    }

    /// The server.
    pub(crate) fn server(&self, mode: Mode) -> PathBuf {
        self.binaries(mode).join("saltpeter")
    }

    /// The wrapper.
    pub(crate) fn wrapper(&self, mode: Mode) -> PathBuf {
        self.binaries(mode).join("saltpeter-wrapper")
    }
}

/// Where things outlive a checkout: `saltpeter` in the user's cache directory, if there is one.
pub(crate) fn cache_dir() -> Option<PathBuf> {
    cache_dir_of(variable)
}

fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

fn cache_dir_of(var: impl Fn(&str) -> Option<String>) -> Option<PathBuf> {
    let cache =
        var("XDG_CACHE_HOME").or_else(|| var("HOME").map(|home| format!("{home}/.cache")))?;
    Some(Path::new(&cache).join("saltpeter"))
}

/// The target directory: where the environment says; in CI, which builds a new clone each time, one
/// that outlives the clone; else `target`.
fn target_dir(root: &Path, var: impl Fn(&str) -> Option<String> + Copy, here: &Path) -> PathBuf {
    if let Some(dir) = var("CARGO_TARGET_DIR") {
        return here.join(dir);
    }
    match (var("CI").as_deref(), cache_dir_of(var)) {
        (Some("true"), Some(cache)) => cache.join("target"),
        _ => root.join("target"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dir(vars: &[(&str, &str)]) -> String {
        let var = |name: &str| {
            vars.iter()
                .find(|(key, _)| *key == name)
                .map(|(_, value)| (*value).to_owned())
        };
        target_dir(Path::new("/src"), var, Path::new("/here"))
            .display()
            .to_string()
    }

    #[test]
    fn only_ci_builds_outside_of_the_checkout() {
        assert_eq!(dir(&[("HOME", "/home/u")]), "/src/target");
        assert_eq!(
            dir(&[("HOME", "/home/u"), ("CI", "true")]),
            "/home/u/.cache/saltpeter/target"
        );
        assert_eq!(
            dir(&[("XDG_CACHE_HOME", "/c"), ("CI", "true")]),
            "/c/saltpeter/target"
        );
        assert_eq!(dir(&[("CI", "true")]), "/src/target");
        assert_eq!(dir(&[("CARGO_TARGET_DIR", "t"), ("CI", "true")]), "/here/t");
    }
}

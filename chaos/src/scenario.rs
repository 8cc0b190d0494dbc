//! Stories that are told again and again.

use anyhow::Result;

/// Which story.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Name {
    /// The server is killed among 200 running jobs.
    Kill200,
    /// Links are cut a thousand times.
    Cuts1000,
}

/// Tells it. Whether it ended well.
pub async fn run(_name: Name, _size: Option<usize>) -> Result<bool> {
    anyhow::bail!("not yet")
}

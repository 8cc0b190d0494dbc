//! Soak.

use anyhow::Result;

/// How to soak.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// How long
    #[arg(long, value_name = "M", default_value_t = 20)]
    pub minutes: u64,
}

/// Whether it held.
pub async fn run(_options: Options) -> Result<bool> {
    anyhow::bail!("not yet")
}

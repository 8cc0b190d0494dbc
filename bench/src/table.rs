//! The tables that the benchmarks print.

use std::time::Duration;

/// Figures under a title, printed with the machine they were measured on.
pub(crate) struct Table {
    title: String,
    rows: Vec<(String, String, String)>,
}

impl Table {
    pub(crate) fn new(title: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            rows: Vec::new(),
        }
    }

    /// A figure and what it should stay under (or whatever else is to be said of it).
    pub(crate) fn row(
        &mut self,
        what: impl Into<String>,
        figure: impl Into<String>,
        budget: impl Into<String>,
    ) {
        self.rows.push((what.into(), figure.into(), budget.into()));
    }

    pub(crate) fn print(self) {
        println!("\n{} ({})", self.title, machine());
        for (what, figure, budget) in self.rows {
            println!("  {what:<52}{figure:>14}   {budget}");
        }
    }
}

/// A duration in milliseconds.
pub(crate) fn ms(duration: Duration) -> String {
    format!("{:.1} ms", duration.as_secs_f64() * 1000.0)
}

/// A number of bytes in MiB.
pub(crate) fn mib(bytes: u64) -> String {
    format!("{:.2} MiB", bytes as f64 / (1024.0 * 1024.0))
}

/// The value below which `share` (0 to 1) of the sorted `values` lie.
pub(crate) fn percentile(sorted: &[Duration], share: f64) -> Duration {
    let index = (sorted.len() as f64 * share) as usize;
    sorted
        .get(index.min(sorted.len().saturating_sub(1)))
        .copied()
        .unwrap_or_default()
}

fn machine() -> String {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "))
        .map_or("unknown processor", |(_, model)| model);
    format!("{cores} × {model}")
}

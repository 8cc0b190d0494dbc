//! Loading a large configuration, and reloading a little of it.

use crate::table::{Table, ms};
use anyhow::{Result, ensure};
use chrono_tz::Tz;
use saltpeter_domain::JobSet;
use saltpeter_domain::config::{FileChange, Loader};
use saltpeter_protocol::UnixMillis;
use std::fmt::Write as _;
use std::time::Instant;

const NOW: UnixMillis = UnixMillis(1_790_000_000_000);

/// The text of a file with `count` jobs, whose minute the one job of `changed` has been given.
pub(crate) fn file(number: usize, count: usize, minute: usize) -> String {
    let mut text = String::new();
    for job in 0..count {
        // Writing into a String cannot fail.
        let _ = write!(
            text,
            "job_{number}_{job}:\n  sec: 0\n  min: {minute}\n  hour: {}\n  dom: '*'\n  mon: '*'\n  dow: '*'\n  \
             command: /usr/local/bin/task --number {number} --part {job}\n  targets: 'web*'\n  timeout: 600\n",
            job % 24
        );
    }
    text
}

fn load(loader: &mut Loader, files: usize, jobs: usize) -> JobSet {
    let changes = (0..files).map(|number| {
        let content = file(number, jobs, number % 60).into_bytes();
        (
            format!("group{number:03}.yaml"),
            FileChange::Content(content),
        )
    });
    let changes: Vec<_> = changes.collect();
    loader.apply(changes, NOW)
}

pub(crate) fn run() -> Result<()> {
    let mut table = Table::new("Configuration: 10,000 jobs in 200 files");
    let mut loader = Loader::new(Tz::Europe__Berlin);
    let begun = Instant::now();
    let set = load(&mut loader, 200, 50);
    table.row("parse and validate all", ms(begun.elapsed()), "< 1000 ms");
    ensure!(set.jobs.len() == 10_000, "{:?}", set.problems);

    let before = loader.parsed_files();
    let changed = file(7, 50, 59).into_bytes();
    let begun = Instant::now();
    let set = loader.apply(
        [("group007.yaml".to_owned(), FileChange::Content(changed))],
        NOW,
    );
    table.row("reload after one file changed", ms(begun.elapsed()), "");
    table.row(
        "files parsed by that",
        (loader.parsed_files() - before).to_string(),
        "1",
    );
    ensure!(set.jobs.len() == 10_000, "{:?}", set.problems);

    let begun = Instant::now();
    let planned = set
        .jobs
        .values()
        .filter_map(|job| job.schedule.next_after(NOW, set.default_zone))
        .count();
    table.row("next fire time of all", ms(begun.elapsed()), "");
    ensure!(planned == 10_000);
    table.print();
    Ok(())
}

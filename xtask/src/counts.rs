//! How many tests passed and failed, from what the test runners write for machines.

use anyhow::{Context, Result};
use serde_json::Value;
use std::ops::AddAssign;

/// Tests that ran.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(crate) struct Counts {
    /// Those that did as expected.
    pub(crate) passed: u64,
    /// Those that did not.
    pub(crate) failed: u64,
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
    }
}

/// From nextest's `JUnit` report: the sums stand in its first element.
pub(crate) fn of_junit(report: &str) -> Result<Counts> {
    let from = report
        .find("<testsuites")
        .context("no <testsuites> in nextest's report")?;
    let element = &report[from..];
    let element = &element[..element.find('>').context("nextest's report is cut off")?];
    let number = |name: &str| -> Result<u64> {
        let key = format!(" {name}=\"");
        let at = element
            .find(&key)
            .with_context(|| format!("no {name} in nextest's report"))?;
        let value = &element[at + key.len()..];
        let value = value.split('"').next().unwrap_or_default();
        value
            .parse()
            .with_context(|| format!("{name} is {value:?} in nextest's report"))
    };
    let failed = number("failures")? + number("errors")?;
    Ok(Counts {
        passed: number("tests")?.saturating_sub(failed),
        failed,
    })
}

/// From the lines that `cargo test` prints, one for each test binary.
pub(crate) fn of_libtest(output: &str) -> Counts {
    let mut sum = Counts::default();
    for line in output.lines() {
        let Some(result) = line.trim_start().strip_prefix("test result: ") else {
            continue;
        };
        let before = |word: &str| -> u64 {
            let words: Vec<&str> = result.split([' ', ';', '.']).collect();
            let number = words
                .windows(2)
                .find(|pair| pair[1] == word)
                .map(|pair| pair[0]);
            number.and_then(|text| text.parse().ok()).unwrap_or(0)
        };
        sum += Counts {
            passed: before("passed"),
            failed: before("failed"),
        };
    }
    sum
}

/// From Playwright's JSON report. A test that passed only when tried again has failed.
pub(crate) fn of_playwright(report: &str) -> Result<Counts> {
    let report: Value = serde_json::from_str(report).context("Playwright's report is not JSON")?;
    let number = |name: &str| {
        report["stats"][name]
            .as_u64()
            .with_context(|| format!("no stats.{name} in Playwright's report"))
    };
    Ok(Counts {
        passed: number("expected")?,
        failed: number("unexpected")? + number("flaky")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nextest_counts_errors_among_the_failed() {
        let report = "<?xml version=\"1.0\"?>\n<testsuites name=\"nextest-run\" tests=\"12\" \
                      failures=\"2\" errors=\"1\" uuid=\"x\" time=\"0.1\">\n<testsuite tests=\"99\">";
        assert_eq!(
            of_junit(report).unwrap(),
            Counts {
                passed: 9,
                failed: 3
            }
        );
        assert!(of_junit("").is_err());
    }

    #[test]
    fn libtest_prints_one_line_for_each_binary() {
        let output = "running 2 tests\ntest a ... ok\n\
            test result: ok. 2 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s\n\n\
            test result: FAILED. 3 passed; 4 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.1s\n";
        assert_eq!(
            of_libtest(output),
            Counts {
                passed: 5,
                failed: 4
            }
        );
    }

    #[test]
    fn a_flaky_browser_test_has_failed() {
        let report = r#"{"suites": [], "stats": {"expected": 7, "skipped": 1, "unexpected": 2, "flaky": 1}}"#;
        assert_eq!(
            of_playwright(report).unwrap(),
            Counts {
                passed: 7,
                failed: 3
            }
        );
        assert!(of_playwright("{}").is_err());
    }
}

//! Which jobs the table shows, and in which order. It stands in the address, so that a view can be shared.

use crate::components::marks::{Mark, last_failed};
use crate::routes::escape;
use saltpeter_protocol::api::JobRow;
use std::cmp::{Ordering, Reverse};
use std::sync::Arc;

/// Filter and order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct JobQuery {
    /// Words that must each occur in name, command or targets.
    pub(crate) text: String,
    /// Only this group.
    pub(crate) group: String,
    /// Only this status.
    pub(crate) status: Option<StatusFilter>,
    /// Only jobs with a run that is not over.
    pub(crate) running: bool,
    /// The column that gives the order: its key, `name` when empty.
    pub(crate) sort: String,
    /// Last first.
    pub(crate) descending: bool,
}

/// The statuses that can be filtered by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StatusFilter {
    /// The newest run did not end well.
    Failed,
    /// The newest run ended well.
    Succeeded,
    /// There has been no run.
    Never,
    /// Paused by a person.
    Paused,
}

impl StatusFilter {
    /// All of them.
    pub(crate) const ALL: [Self; 4] = [Self::Failed, Self::Succeeded, Self::Never, Self::Paused];

    /// The word in the address and in the list.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Succeeded => "succeeded",
            Self::Never => "never run",
            Self::Paused => "paused",
        }
    }

    fn keeps(self, job: &JobRow) -> bool {
        match self {
            Self::Failed => last_failed(job),
            Self::Succeeded => job
                .last
                .as_ref()
                .is_some_and(|run| Mark::of_run(&run.state) == Mark::Succeeded),
            Self::Never => job.last.is_none() && job.active.is_empty(),
            Self::Paused => job.paused.is_some(),
        }
    }
}

impl JobQuery {
    /// Reads the query of an address, with or without its `?`. What it does not know it leaves out.
    pub(crate) fn parse(search: &str) -> Self {
        let mut query = Self::default();
        for pair in search.trim_start_matches('?').split('&') {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            let value = unescape(value);
            match key {
                "q" => query.text = value,
                "group" => query.group = value,
                "status" => {
                    query.status = StatusFilter::ALL.into_iter().find(|s| s.word() == value);
                }
                "running" => query.running = !value.is_empty() && value != "0",
                "sort" => match value.strip_prefix('-') {
                    Some(key) => (query.sort, query.descending) = (key.to_owned(), true),
                    None => query.sort = value,
                },
                _ => {}
            }
        }
        query
    }

    /// The address of the table with this query.
    pub(crate) fn address(&self) -> String {
        let mut pairs = Vec::new();
        let mut add = |key: &str, value: &str| {
            if !value.is_empty() {
                pairs.push(format!("{key}={}", escape(value)));
            }
        };
        add("q", &self.text);
        add("group", &self.group);
        add("status", self.status.map_or("", StatusFilter::word));
        add("running", if self.running { "1" } else { "" });
        if self.descending {
            add("sort", &format!("-{}", self.sort_key()));
        } else {
            add("sort", &self.sort);
        }
        if pairs.is_empty() {
            "/".to_owned()
        } else {
            format!("/?{}", pairs.join("&"))
        }
    }

    /// Whether every job is shown.
    pub(crate) fn shows_all(&self) -> bool {
        self.text.is_empty() && self.group.is_empty() && self.status.is_none() && !self.running
    }

    fn sort_key(&self) -> &str {
        if self.sort.is_empty() {
            "name"
        } else {
            &self.sort
        }
    }

    /// How the column `key` takes part in the order: `ascending`, `descending` or `none`.
    pub(crate) fn order_of(&self, key: &str) -> &'static str {
        if self.sort_key() != key {
            "none"
        } else if self.descending {
            "descending"
        } else {
            "ascending"
        }
    }

    /// The query after a click on the head of the column `key`.
    pub(crate) fn sorted_by(&self, key: &str) -> Self {
        let again = self.sort_key() == key;
        let mut query = self.clone();
        query.descending = again && !self.descending;
        query.sort = if key == "name" && !query.descending {
            String::new()
        } else {
            key.to_owned()
        };
        query
    }

    /// The jobs that are shown, in order.
    pub(crate) fn select<'a>(
        &self,
        jobs: impl Iterator<Item = &'a Arc<JobRow>>,
    ) -> Vec<Arc<JobRow>> {
        let words = self.words();
        let kept = jobs.filter(|job| self.keeps(job, &words));
        let mut chosen: Vec<Arc<JobRow>> = kept.cloned().collect();
        chosen.sort_by(|a, b| self.order(a, b));
        chosen
    }

    /// The order of two jobs. Only a job and itself are equal.
    pub(super) fn order(&self, a: &JobRow, b: &JobRow) -> Ordering {
        let order = compare(a, b, self.sort_key());
        let order = if self.descending {
            order.reverse()
        } else {
            order
        };
        order.then_with(|| a.name.cmp(&b.name))
    }

    /// The words of the filter, as [`JobQuery::keeps`] wants them.
    pub(super) fn words(&self) -> Vec<String> {
        self.text
            .split_whitespace()
            .map(str::to_lowercase)
            .collect()
    }

    /// Whether a job is shown.
    pub(super) fn keeps(&self, job: &JobRow, words: &[String]) -> bool {
        let has = |word: &String| {
            [job.name.as_str(), &job.command, &job.targets]
                .iter()
                .any(|text| text.to_lowercase().contains(word))
        };
        (self.group.is_empty() || job.group == self.group)
            && (!self.running || !job.active.is_empty())
            && self.status.is_none_or(|status| status.keeps(job))
            && words.iter().all(has)
    }
}

/// Values that are not there come last.
fn compare(a: &JobRow, b: &JobRow, key: &str) -> Ordering {
    fn optional<T: Ord>(a: Option<T>, b: Option<T>) -> Ordering {
        match (a, b) {
            (Some(a), Some(b)) => a.cmp(&b),
            (a, b) => b.is_some().cmp(&a.is_some()),
        }
    }
    match key {
        "name" => a.name.cmp(&b.name),
        "group" => a.group.cmp(&b.group),
        "schedule" => a.schedule.cmp(&b.schedule),
        "next" => optional(a.next, b.next),
        "last" => {
            // The newest first, but those that never ran last.
            let age = |job: &JobRow| job.last.as_ref().map(|run| Reverse(run.created));
            optional(age(a), age(b))
        }
        "running" => {
            let count = |job: &JobRow| -> u32 {
                job.active
                    .iter()
                    .map(|run| run.counts.running + run.counts.starting)
                    .sum()
            };
            count(b).cmp(&count(a))
        }
        key => optional(config_value(a, key), config_value(b, key)),
    }
}

/// The value of a key as written in the job's file.
pub(crate) fn config_value<'a>(job: &'a JobRow, key: &str) -> Option<&'a str> {
    job.config
        .iter()
        .find(|entry| entry.key == key)
        .map(|entry| entry.value.as_str())
}

/// Undoes the escaping of an address; `+` is a space, as forms send it.
pub(crate) fn unescape(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        match (*first, tail) {
            (b'+', _) => bytes.push(b' '),
            (b'%', [high, low, after @ ..]) => {
                let digit = |b: u8| char::from(b).to_digit(16);
                match (digit(*high), digit(*low)) {
                    (Some(high), Some(low)) => {
                        bytes.push((high * 16 + low) as u8);
                        rest = after;
                    }
                    _ => bytes.push(b'%'),
                }
            }
            (byte, _) => bytes.push(byte),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;
    use saltpeter_protocol::{RunOutcome, RunState};

    fn shown(query: &str, jobs: &[JobRow]) -> Vec<String> {
        let jobs: Vec<_> = jobs.iter().cloned().map(Arc::new).collect();
        JobQuery::parse(query)
            .select(jobs.iter())
            .iter()
            .map(|job| job.name.to_string())
            .collect()
    }

    fn jobs() -> Vec<JobRow> {
        let mut jobs = vec![sample::job("b"), sample::job("a"), sample::job("c")];
        jobs[0].group = "search".to_owned();
        jobs[0].next = None;
        jobs[1].command = "Reindex now".to_owned();
        jobs[1].next = Some(sample::NOW);
        jobs[2].active = vec![sample::summary("c_1", RunState::Running)];
        jobs[2].last = Some(sample::summary(
            "c_0",
            RunState::Ended {
                at: sample::NOW,
                outcome: RunOutcome::Failed,
            },
        ));
        jobs
    }

    #[test]
    fn filters_and_sorts() {
        let jobs = jobs();
        assert_eq!(shown("", &jobs), ["a", "b", "c"]);
        assert_eq!(shown("?q=reindex+NOW", &jobs), ["a"]);
        assert_eq!(shown("group=search", &jobs), ["b"]);
        assert_eq!(shown("running=1", &jobs), ["c"]);
        assert_eq!(shown("status=failed", &jobs), ["c"]);
        assert_eq!(shown("status=never%20run", &jobs), ["a", "b"]);
        assert_eq!(shown("sort=-name", &jobs), ["c", "b", "a"]);
        assert_eq!(
            shown("sort=next", &jobs),
            ["a", "c", "b"],
            "no next time comes last"
        );
        assert_eq!(
            shown("sort=last", &jobs),
            ["c", "a", "b"],
            "the newest first"
        );
    }

    #[test]
    fn an_address_says_the_whole_query_and_is_read_back() {
        for address in [
            "/",
            "/?q=a%26b%20c&group=db&status=never%20run&running=1&sort=-next",
            "/?sort=-name",
        ] {
            let query = JobQuery::parse(address.trim_start_matches('/'));
            assert_eq!(query.address(), address);
        }
    }

    #[test]
    fn a_second_click_on_a_head_turns_the_order_around() {
        let query = JobQuery::default().sorted_by("next");
        assert_eq!(query.order_of("next"), "ascending");
        let query = query.sorted_by("next");
        assert_eq!(query.order_of("next"), "descending");
        let query = query.sorted_by("name").sorted_by("name");
        assert_eq!(query.address(), "/?sort=-name");
        assert_eq!(query.sorted_by("name").address(), "/");
    }

    #[test]
    fn broken_escapes_are_text() {
        assert_eq!(unescape("100%"), "100%");
        assert_eq!(unescape("%zz+%e2%82%ac"), "%zz €");
    }
}

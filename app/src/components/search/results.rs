//! What a search has found so far, without a browser: every hit can be reached, few are held.

use saltpeter_protocol::api::{SearchHit, SearchStep};

/// Hits that are asked for at a time.
pub(super) const PAGE: usize = 200;

/// A part of the output that has been searched.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Part {
    /// The line at which it begins.
    line: u64,
    /// Hits before it.
    before: u64,
    count: u64,
    /// The first of its hits.
    hits: Vec<SearchHit>,
}

/// Hits by their number.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Results {
    parts: Vec<Part>,
    /// Some more of one part, from the hit of this number on.
    page: Option<(u64, Vec<SearchHit>)>,
    /// All hits so far.
    pub(super) count: u64,
    /// Whether the end has been reached.
    pub(super) done: bool,
    /// Bytes searched, and bytes there are.
    pub(super) searched: (u64, u64),
    /// Lines of which only the beginning was searched.
    pub(super) long_lines: u64,
}

/// Where a hit is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// It is here, among these.
    Known(SearchHit, Vec<SearchHit>),
    /// It is among those that are found from `line` on, without the first `skip`, which is the hit number `first`.
    Asked { line: u64, skip: u64, first: u64 },
    /// There is none of that number.
    Nowhere,
}

impl Results {
    /// Adds the part that was searched from `line` on.
    pub(super) fn add(&mut self, line: u64, step: SearchStep) {
        let part = Part {
            line,
            before: self.count,
            count: step.count,
            hits: step.hits,
        };
        self.count += step.count;
        self.long_lines += step.long_lines;
        self.done = step.next.is_none();
        self.searched = (step.searched, step.total.bytes);
        if part.count > 0 {
            self.parts.push(part);
        }
    }

    /// Keeps the hits that [`Place::Asked`] has asked for.
    pub(super) fn keep(&mut self, first: u64, hits: Vec<SearchHit>) {
        self.page = Some((first, hits));
    }

    /// Where the hit number `index` is, from 0.
    pub(super) fn place(&self, index: u64) -> Place {
        let after = self.parts.partition_point(|part| part.before <= index);
        let Some(part) = after.checked_sub(1).and_then(|n| self.parts.get(n)) else {
            return Place::Nowhere;
        };
        let skip = index - part.before;
        if skip >= part.count {
            return Place::Nowhere;
        }
        let some = [
            Some((part.before, &part.hits)),
            self.page.as_ref().map(|(first, hits)| (*first, hits)),
        ];
        for (first, hits) in some.into_iter().flatten() {
            let nth = index
                .checked_sub(first)
                .and_then(|nth| hits.get(nth as usize));
            if let Some(hit) = nth {
                return Place::Known(*hit, hits.clone());
            }
        }
        let skip = skip - skip % PAGE as u64;
        Place::Asked {
            line: part.line,
            skip,
            first: part.before + skip,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use saltpeter_protocol::api::OutputLength;

    fn hits(lines: std::ops::Range<u64>) -> Vec<SearchHit> {
        lines
            .map(|line| SearchHit {
                line,
                from: 0,
                to: 1,
            })
            .collect()
    }

    fn step(hits: Vec<SearchHit>, count: u64, next: Option<u64>) -> SearchStep {
        SearchStep {
            hits,
            count,
            next,
            searched: 0,
            total: OutputLength::default(),
            long_lines: 0,
        }
    }

    #[test]
    fn every_hit_is_reached() {
        let mut results = Results::default();
        assert_eq!(results.place(0), Place::Nowhere);
        results.add(0, step(hits(10..12), 2, Some(100)));
        results.add(100, step(Vec::new(), 0, Some(200)));
        results.add(200, step(hits(200..400), 1_000, None));
        assert_eq!((results.count, results.done), (1_002, true));
        let line = |results: &Results, index| match results.place(index) {
            Place::Known(hit, _) => Some(hit.line),
            _ => None,
        };
        assert_eq!(line(&results, 1), Some(11));
        assert_eq!(line(&results, 2), Some(200));
        assert_eq!(line(&results, 201), Some(399));
        let asked = Place::Asked {
            line: 200,
            skip: 400,
            first: 402,
        };
        assert_eq!(results.place(402 + 7), asked);
        results.keep(402, hits(600..800));
        assert_eq!(line(&results, 402 + 7), Some(607));
        assert_eq!(results.place(1_002), Place::Nowhere);
    }
}

//! Any output, cut anywhere, against models that are a few lines long.

use super::*;
use crate::store::output::Chunk;
use bytes::Bytes;
use futures::StreamExt as _;
use proptest::prelude::*;
use saltpeter_domain::search::{Pattern, Wanted, shown};
use saltpeter_protocol::UnixMillis;
use saltpeter_protocol::api::{LinesPage, Reading, SearchHit};
use saltpeter_protocol::machine::Stream;
use saltpeter_protocol::machine::v2::Encoding;
use std::io::Read as _;
use std::time::Duration;
use tempfile::TempDir;

const MACHINES: [&str; 3] = ["web1", "web2", "web3"];

/// What is written at once: by which machine, what, to standard error or not, and whether in a commit of its own.
type Written = (usize, Vec<u8>, bool, bool);

/// What a machine has written: each byte with its stream and time.
type Bytewise = Vec<(u8, bool, i64)>;

struct Bed {
    outputs: Outputs,
    written: Vec<Bytewise>,
    _dir: TempDir,
}

fn machine(n: usize) -> MachineId {
    MachineId::new(MACHINES[n]).unwrap()
}

fn run() -> RunId {
    RunId::new("a_1").unwrap()
}

impl Bed {
    async fn new(steps: &[Written]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let log = OutputLog::open(&dir.path().join("output.db"))
            .await
            .unwrap();
        let mut written = vec![Bytewise::new(); MACHINES.len()];
        for (at, (n, bytes, stderr, waits)) in steps.iter().enumerate() {
            // So far apart that chunks keep their own times.
            let at = at as i64 * 20;
            let stream = log.stream(&run(), &machine(*n)).await.unwrap();
            let chunk = Chunk {
                offset: written[*n].len() as u64,
                stream: if *stderr {
                    Stream::Stderr
                } else {
                    Stream::Stdout
                },
                at: UnixMillis(at),
                encoding: Encoding::Raw,
                payload: Bytes::copy_from_slice(bytes),
                raw_len: bytes.len() as u32,
            };
            let end = stream.submit(chunk).await.unwrap();
            written[*n].extend(bytes.iter().map(|byte| (*byte, *stderr, at)));
            if *waits {
                stream.wait_durable(end).await.unwrap();
            }
        }
        for (n, bytes) in written.iter().enumerate() {
            let stream = log.stream(&run(), &machine(n)).await.unwrap();
            stream.wait_durable(bytes.len() as u64).await.unwrap();
        }
        let mut outputs = Outputs::new(log);
        outputs.pace = search::Pace {
            // A chunk at a time, and each piece a step.
            batch: 1,
            step: Duration::ZERO,
            first: Duration::ZERO,
        };
        Self {
            outputs,
            written,
            _dir: dir,
        }
    }

    fn bytes(&self, n: usize) -> Vec<u8> {
        self.written[n].iter().map(|(byte, ..)| *byte).collect()
    }

    /// Every line of a machine: its text, whether it has standard error, and its time.
    fn lines(&self, n: usize) -> Vec<(Vec<u8>, bool, i64)> {
        let lines = self.written[n].split_inclusive(|(byte, ..)| *byte == b'\n');
        let line = |line: &[(u8, bool, i64)]| {
            let text: Vec<u8> = line.iter().map(|(byte, ..)| *byte).collect();
            let text = text.strip_suffix(b"\n").unwrap_or(&text).to_vec();
            (text, line.iter().any(|(_, stderr, _)| *stderr), line[0].2)
        };
        lines.map(line).collect()
    }

    /// All lines, merged by time.
    fn merged(&self, stderr: bool) -> Vec<(usize, u64)> {
        // One that has not ended stands last.
        let mut all: Vec<(bool, i64, usize, u64)> = Vec::new();
        for n in 0..MACHINES.len() {
            let ended = memchr::memchr_iter(b'\n', &self.bytes(n)).count();
            for (number, line) in self.lines(n).iter().enumerate() {
                if line.1 || !stderr {
                    all.push((number >= ended, line.2, n, number as u64));
                }
            }
        }
        all.sort_unstable();
        all.into_iter().map(|(.., n, number)| (n, number)).collect()
    }

    async fn page(
        &self,
        stderr: bool,
        at: Option<Vec<u64>>,
        reading: Reading,
        limit: usize,
    ) -> LinesPage {
        let merge = Merge {
            run: run(),
            parts: (0..MACHINES.len())
                .map(|n| (machine(n), Attempt::FIRST))
                .collect(),
            stderr,
            at,
            reading,
            limit,
        };
        let page = self.outputs.merge(&merge).await.unwrap();
        for line in &page.lines {
            let (text, stderr, at) = &self.lines(line.machine)[line.number as usize];
            let text = text.strip_suffix(b"\r").unwrap_or(text);
            if !line.cut {
                assert_eq!(line.text, String::from_utf8_lossy(text));
            }
            assert_eq!((line.stderr, line.at.0), (*stderr, *at));
        }
        page
    }
}

fn numbers(page: &LinesPage) -> Vec<(usize, u64)> {
    page.lines
        .iter()
        .map(|line| (line.machine, line.number))
        .collect()
}

fn written() -> impl Strategy<Value = Vec<Written>> {
    let text = prop::sample::select(vec![
        "a",
        "ab",
        "b\n",
        "\n",
        "the end\n",
        "aab\nb",
        "\x1b[31ma",
        "\x1b[0m",
        "10%\r",
        "é\r\n",
        "\n\n",
    ]);
    let bytes = prop::collection::vec(text, 1..4).prop_map(|texts| texts.concat().into_bytes());
    prop::collection::vec(
        (0..MACHINES.len(), bytes, any::<bool>(), any::<bool>()),
        0..24,
    )
}

fn block_on<F: Future>(future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(future)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, ..ProptestConfig::default() })]

    #[test]
    fn a_search_finds_what_is_there(
        steps in written(),
        text in prop::sample::select(vec!["a", "ab", "aa", "b", "é", "e e"]),
        regex in any::<bool>(),
        skip in 0_u64..4,
    ) {
        block_on(async {
            let bed = Bed::new(&steps).await;
            let pattern = if regex { Pattern::expression(text, false) } else { Pattern::literal(text, true) };
            let pattern = Arc::new(pattern.unwrap());
            let mut expected = Vec::new();
            for (line, bytes) in bed.bytes(0).split(|byte| *byte == b'\n').enumerate() {
                let bytes = shown(bytes);
                expected.extend(bytes.match_indices(text).map(|(from, hit)| SearchHit {
                    line: line as u64,
                    from: from as u32,
                    to: (from + hit.len()) as u32,
                }));
            }
            let (run, web1) = (run(), machine(0));
            let part = (&web1, Attempt::FIRST);
            let all = Wanted { skip: 0, limit: 1_000 };
            let (mut found, mut count, mut line) = (Vec::new(), 0, 0);
            loop {
                let step = bed.outputs.search(&run, part, Arc::clone(&pattern), line, all, Until::Time);
                let step = step.await.unwrap();
                assert_eq!(step.count, step.hits.len() as u64);
                count += step.count;
                found.extend(step.hits);
                if let Some(next) = step.next { assert!(next > line); line = next; } else {
                    assert_eq!(step.searched, step.total.bytes);
                    break;
                }
            }
            assert_eq!(found, expected);
            assert_eq!(count, expected.len() as u64);
            // Some of them, from the beginning: as many as there are pieces for.
            let mut outputs = bed.outputs.clone();
            outputs.pace.step = Duration::from_mins(1);
            outputs.pace.first = Duration::from_mins(1);
            let some = Wanted { skip, limit: 2 };
            let step = outputs.search(&run, part, pattern, 0, some, Until::Hits).await.unwrap();
            let some: Vec<_> = expected.into_iter().skip(skip as usize).take(2).collect();
            assert_eq!(step.hits, some);
        });
    }

    #[test]
    fn pages_are_the_same_in_both_directions(
        steps in written(),
        stderr in any::<bool>(),
        limit in 1_usize..7,
    ) {
        block_on(async {
            let bed = Bed::new(&steps).await;
            let expected = bed.merged(stderr);
            let (mut at, mut down) = (vec![0; MACHINES.len()], Vec::new());
            loop {
                let page = bed.page(stderr, Some(at), Reading::After, limit).await;
                down.extend(numbers(&page));
                at = page.after;
                if !page.has_after { break }
            }
            assert_eq!(down, expected);
            let (mut at, mut up) = (None, Vec::new());
            loop {
                let page = bed.page(stderr, at, Reading::Before, limit).await;
                up.splice(0..0, numbers(&page));
                if !page.has_before { break }
                at = Some(page.before);
            }
            assert_eq!(up, expected);
        });
    }

    #[test]
    fn machines_are_grouped_by_their_bytes_and_packed_whole(steps in written()) {
        block_on(async {
            let bed = Bed::new(&steps).await;
            let parts: Vec<_> = (0..MACHINES.len()).map(|n| (machine(n), Attempt::FIRST)).collect();
            let groups = bed.outputs.same(&run(), parts).await.unwrap();
            let group_of = |n: usize| groups.iter().position(|group| group.machines.contains(&machine(n)));
            for n in 0..MACHINES.len() {
                let group = &groups[group_of(n).unwrap()];
                assert_eq!(group.length.bytes, bed.written[n].len() as u64);
                for m in 0..n {
                    assert_eq!(group_of(n) == group_of(m), bed.bytes(n) == bed.bytes(m));
                }
            }
            assert!(groups.is_sorted_by(|a, b| a.machines.len() >= b.machines.len()));

            let entries = (0..MACHINES.len()).map(|n| Entry {
                machine: machine(n),
                attempt: Attempt::FIRST,
                newest: n != 1,
            });
            let archive = bed.outputs.archive(run(), UnixMillis(1_000), entries.collect());
            let pieces: Vec<_> = archive.collect().await;
            let archive: Vec<u8> = pieces.into_iter().flat_map(Result::unwrap).collect();
            let mut archive = tar::Archive::new(archive.as_slice());
            let mut names = Vec::new();
            for (n, entry) in archive.entries().unwrap().enumerate() {
                let mut entry = entry.unwrap();
                names.push(entry.path().unwrap().display().to_string());
                let mut bytes = Vec::new();
                entry.read_to_end(&mut bytes).unwrap();
                assert_eq!(bytes, bed.bytes(n));
            }
            assert_eq!(names, ["a_1/web1.log", "a_1/web2.attempt-1.log", "a_1/web3.log"]);
        });
    }
}

#[tokio::test]
async fn a_name_that_tar_has_no_room_for_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let log = OutputLog::open(&dir.path().join("output.db"))
        .await
        .unwrap();
    let machine = MachineId::new("m".repeat(255)).unwrap();
    let entry = Entry {
        machine: machine.clone(),
        attempt: Attempt::FIRST,
        newest: true,
    };
    let archive = Outputs::new(log).archive(run(), UnixMillis(0), vec![entry]);
    let pieces: Vec<_> = archive.collect().await;
    let archive: Vec<u8> = pieces.into_iter().flat_map(Result::unwrap).collect();
    let mut archive = tar::Archive::new(archive.as_slice());
    let entry = archive.entries().unwrap().next().unwrap().unwrap();
    assert_eq!(
        entry.path().unwrap().display().to_string(),
        format!("a_1/{machine}.log")
    );
}

#[tokio::test]
async fn a_line_without_end_does_not_hold_a_search_up() {
    let steps: Vec<Written> = std::iter::once((0, b"needle".to_vec(), false, false))
        .chain((0..40).map(|_| (0, vec![b'x'; 64 * 1024], false, false)))
        .chain([(0, b"needle\nneedle\n".to_vec(), false, true)])
        .collect();
    let bed = Bed::new(&steps).await;
    let (mut line, mut count, mut long) = (0, 0, 0);
    let pattern = Arc::new(Pattern::literal("needle", true).unwrap());
    loop {
        let (run, web1) = (run(), machine(0));
        let part = (&web1, Attempt::FIRST);
        let wanted = Wanted { skip: 0, limit: 10 };
        let step = bed
            .outputs
            .search(&run, part, Arc::clone(&pattern), line, wanted, Until::Time);
        let step = step.await.unwrap();
        count += step.count;
        long += step.long_lines;
        match step.next {
            Some(next) => line = next,
            None => break,
        }
    }
    assert_eq!(
        (count, long),
        (2, 1),
        "the one in the middle of the long line is not looked for"
    );
    let lines = bed
        .page(false, Some(vec![0, 0, 0]), Reading::After, 10)
        .await;
    assert_eq!(numbers(&lines).len(), 2);
    assert!(lines.lines[0].cut);
}

//! What the palette finds.

use super::fuzzy::score;
use crate::actions::Action;
use crate::live::{Jobs, Live};
use crate::query::Asked;
use crate::routes;
use crate::visitor::May;
use saltpeter_protocol::api::JobRow;
use saltpeter_protocol::{JobName, MachineId};
use std::collections::{BTreeMap, BTreeSet};

/// What can be done with a job, by the words for it; the likeliest first.
const VERBS: [&str; 5] = ["run", "kill", "edit", "pause", "resume"];
/// What is listed at most.
pub(super) const MOST: usize = 30;
/// Machines that are listed at most.
const MOST_MACHINES: usize = 8;
/// Runs that are listed at most.
const MOST_RUNS: usize = 8;

/// Something to go to, or to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    /// `page`, `job`, `machine`, `run`, `action`.
    pub(super) kind: &'static str,
    pub(super) label: String,
    /// More about it.
    pub(super) hint: String,
    pub(super) what: What,
}

/// What comes of choosing it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum What {
    /// To a page.
    Go(String),
    /// To a page that the browser has to ask the server for.
    Leave(&'static str),
    /// Something is set going.
    Do(Action),
    /// The help.
    Help,
}

/// Pages, their addresses, and other words for them.
const PAGES: [(&str, &str, &str); 8] = [
    ("Jobs", "/", "g j"),
    ("Runs", "/runs", "g r"),
    ("Timeline", "/timeline", "g t"),
    ("Machines", "/machines", "g m"),
    ("Maintenance", "/maintenance", "g w"),
    ("Config", "/config", "g c"),
    ("Import a crontab", "/import", ""),
    ("New job", "/new-job", ""),
];

/// Whatever goes with `query`, the best first, but for what whoever asks may not do. `machines` are those that the server has
/// found for what was typed last.
pub(super) fn find(live: Live, machines: &[MachineId], query: &str, may: &May) -> Vec<Found> {
    let offered = Offered {
        may,
        has_editor: may.administer && live.server().is_some_and(|server| server.editor),
    };
    let mut found = live
        .with_jobs(|jobs| among(jobs, machines, query, offered))
        .unwrap_or_default();
    let is_global = live.maintenance().global;
    if let Some((score, action)) = end_of_maintenance(query, is_global, may) {
        found.insert((u32::MAX - score, String::new()), action);
    }
    found.into_values().take(MOST).collect()
}

/// That global maintenance is ended, if it is on and whoever asks may do that; and how well that goes with `query`.
fn end_of_maintenance(query: &str, is_global: bool, may: &May) -> Option<(u32, Found)> {
    let label = "Turn off global maintenance";
    let score = score(query, label).filter(|_| is_global && may.operate_all())?;
    let action = Found {
        kind: "action",
        label: label.to_owned(),
        hint: String::new(),
        what: What::Do(Action::EndMaintenance),
    };
    Some((score, action))
}

/// What is offered to whoever asks.
#[derive(Clone, Copy)]
struct Offered<'v> {
    may: &'v May,
    /// Whether jobs are edited here, and they may.
    has_editor: bool,
}

/// By how far from the best they are, and by name.
type Ranked = BTreeMap<(u32, String), Found>;

fn among(jobs: &Jobs, machines: &[MachineId], query: &str, offered: Offered<'_>) -> Ranked {
    let mut ranked = Ranked::new();
    pages(&mut ranked, query, offered.has_editor);
    if let Some((verb, name)) = verb(query) {
        for row in jobs.rows() {
            if let Some(score) = score(name, row.name.as_str())
                && let Some(action) = act(verb, row, offered)
            {
                keep(&mut ranked, score, action);
            }
        }
    }
    let mut best: BTreeSet<(u32, &JobName)> = BTreeSet::new();
    for name in jobs.rows().map(|row| &row.name) {
        if let Some(score) = score(query, name.as_str()) {
            best.insert((u32::MAX - score, name));
            if best.len() > MOST {
                best.pop_last();
            }
        }
    }
    for (rank, (far, name)) in best.iter().enumerate() {
        let Some(row) = jobs.get(name) else { continue };
        keep(&mut ranked, u32::MAX - far, to_job(row));
        // What can be done with the job that is most likely meant.
        if rank == 0 && !query.trim().is_empty() {
            for (after, verb) in (1..).zip(VERBS) {
                if let Some(action) = act(verb, row, offered) {
                    keep(&mut ranked, (u32::MAX - far).saturating_sub(after), action);
                }
            }
        }
    }
    for machine in machines {
        // They may be of an earlier query.
        if let Some(score) = score(query, machine.as_str()) {
            keep(&mut ranked, score, to_machine(machine));
        }
    }
    runs(&mut ranked, jobs, query);
    ranked
}

fn keep(ranked: &mut Ranked, score: u32, found: Found) {
    ranked.insert(
        (u32::MAX - score, format!("{} {}", found.kind, found.label)),
        found,
    );
    if ranked.len() > MOST {
        ranked.pop_last();
    }
}

fn pages(ranked: &mut Ranked, query: &str, has_editor: bool) {
    // Before anything is typed the pages stand first.
    let least = u32::from(query.trim().is_empty());
    let mut page = |label: &str, hint: &str, what: What| {
        if let Some(score) = score(query, label) {
            let found = Found {
                kind: "page",
                label: label.to_owned(),
                hint: hint.to_owned(),
                what,
            };
            keep(ranked, score.max(least), found);
        }
    };
    for (label, address, keys) in PAGES {
        if address != "/new-job" || has_editor {
            page(label, keys, What::Go(address.to_owned()));
        }
    }
    page("Account", "", What::Leave("/account"));
    page("Keys and marks", "?", What::Help);
}

fn to_job(row: &JobRow) -> Found {
    Found {
        kind: "job",
        label: row.name.to_string(),
        hint: format!("{} · {}", row.group, row.schedule),
        what: What::Go(routes::job_page(&row.name)),
    }
}

fn to_machine(machine: &MachineId) -> Found {
    let asked = Asked::default().with("q", machine.as_str());
    Found {
        kind: "machine",
        label: machine.to_string(),
        hint: String::new(),
        what: What::Go(asked.address("/machines")),
    }
}

/// What to ask the server for the machines that go with `query`, if it is about one.
pub(super) fn machines_address(query: &str) -> Option<String> {
    let query = query.trim();
    if query.is_empty() || verb(query).is_some() {
        return None;
    }
    let asked = Asked::default().with("q", query);
    let asked = asked.with("limit", &MOST_MACHINES.to_string());
    Some(asked.address("/api/v1/machines"))
}

/// `run backup`: what is to be done, and with which job.
fn verb(query: &str) -> Option<(&'static str, &str)> {
    let (verb, name) = query.trim_start().split_once(' ')?;
    let mut known = VERBS
        .into_iter()
        .filter(|known| known.eq_ignore_ascii_case(verb));
    Some((known.next()?, name))
}

/// What can be done with a job as it is, by whoever asks.
fn act(verb: &str, row: &JobRow, offered: Offered<'_>) -> Option<Found> {
    let name = &row.name;
    if verb != "edit" && !offered.may.operate(&row.group) {
        return None;
    }
    let action = |label: &str, what| Found {
        kind: "action",
        label: format!("{label} {name}"),
        hint: String::new(),
        what,
    };
    match verb {
        "run" => Some(action("Run now:", What::Do(Action::Start(name.clone())))),
        "kill" if !row.active.is_empty() => {
            Some(action("Kill:", What::Do(Action::KillJob(name.clone()))))
        }
        "pause" if row.paused.is_none() => Some(action(
            "Pause schedule:",
            What::Do(Action::Pause(name.clone())),
        )),
        "resume" if row.paused.is_some() => Some(action(
            "Resume schedule:",
            What::Do(Action::Resume(name.clone())),
        )),
        "edit" if offered.has_editor => {
            let to = routes::edit_page(name.as_str());
            Some(action("Edit:", What::Go(to)))
        }
        _ => None,
    }
}

/// The runs that the jobs' rows know of: those that go on, and the last.
fn runs(ranked: &mut Ranked, jobs: &Jobs, query: &str) {
    let query = query.trim();
    if query.is_empty() {
        return;
    }
    let mut best: BTreeMap<(u32, String), Found> = BTreeMap::new();
    for row in jobs.rows() {
        let last = row.last.iter().map(|run| (run, "over"));
        for (run, word) in row.active.iter().map(|run| (run, "running")).chain(last) {
            // A run is named after its job, which goes before.
            let Some(score) = score(query, run.id.as_str()) else {
                continue;
            };
            let found = Found {
                kind: "run",
                label: run.id.to_string(),
                hint: word.to_owned(),
                what: What::Go(routes::run_page(&run.id)),
            };
            best.insert((u32::MAX - score, found.label.clone()), found);
            if best.len() > MOST_RUNS {
                best.pop_last();
            }
        }
    }
    for ((far, _), found) in best {
        keep(ranked, (u32::MAX - far).saturating_sub(9), found);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    fn labels(query: &str) -> Vec<String> {
        offered(query, &May::read(Some("admin"), None))
    }

    fn offered(query: &str, may: &May) -> Vec<String> {
        let jobs = Jobs::new(["backup", "backup_db", "web"].map(sample::job).to_vec());
        let machines = ["web1", "db#1"].map(|name| MachineId::new(name).unwrap());
        let offered = Offered {
            may,
            has_editor: may.administer,
        };
        let found = among(&jobs, &machines, query, offered).into_values();
        found
            .map(|found| format!("{} {}", found.kind, found.label))
            .collect()
    }

    #[test]
    fn the_job_that_is_meant_comes_first_and_then_what_can_be_done_with_it() {
        let found = labels("backup");
        assert_eq!(found[0], "job backup");
        assert_eq!(found[1], "action Run now: backup");
        assert!(found.contains(&"job backup_db".to_owned()), "{found:?}");
        assert!(
            !found.contains(&"action Run now: backup_db".to_owned()),
            "{found:?}"
        );
    }

    #[test]
    fn a_verb_and_a_name_are_an_action() {
        assert_eq!(labels("run web")[0], "action Run now: web");
        assert_eq!(labels("EDIT bdb")[0], "action Edit: backup_db");
        assert!(!labels("resume web").contains(&"action Resume schedule: web".to_owned()));
    }

    #[test]
    fn machines_that_the_server_found_stand_among_the_rest() {
        assert_eq!(labels("web1")[0], "machine web1");
        assert_eq!(labels("web")[0], "job web");
        assert!(labels("web").contains(&"machine web1".to_owned()));
        assert!(!labels("web").contains(&"machine db#1".to_owned()));
        assert_eq!(
            machines_address(" db#1 ").unwrap(),
            "/api/v1/machines?q=db%231&limit=8"
        );
        assert_eq!(machines_address(" "), None);
        assert_eq!(machines_address("run web"), None);
        let to = to_machine(&MachineId::new("db#1").unwrap()).what;
        assert_eq!(to, What::Go("/machines?q=db%231".to_owned()));
    }

    #[test]
    fn pages_are_found_by_their_names() {
        assert_eq!(labels("conf")[0], "page Config");
        assert!(labels("").contains(&"page Jobs".to_owned()));
        assert!(labels("no such thing at all").is_empty());
    }

    #[test]
    fn nothing_is_offered_that_whoever_asks_may_not_do() {
        let run = "action Run now: web".to_owned();
        let edit = "action Edit: web".to_owned();
        for (role, groups, runs, edits) in [
            ("admin", None, true, true),
            ("operator", None, true, false),
            // The job is of the group db.
            ("operator", Some(r#"["db"]"#), true, false),
            ("operator", Some(r#"["mail"]"#), false, false),
            ("viewer", None, false, false),
        ] {
            let may = May::read(Some(role), groups);
            let found = offered("web", &may);
            assert_eq!(found[0], "job web");
            assert_eq!(
                (found.contains(&run), found.contains(&edit)),
                (runs, edits),
                "{may:?}"
            );
            assert_eq!(offered("run web", &may).contains(&run), runs, "{may:?}");
        }
    }

    #[test]
    fn global_maintenance_is_ended_by_who_may() {
        for (role, groups, offered) in [
            ("admin", None, true),
            ("operator", None, true),
            ("operator", Some(r#"["db"]"#), false),
            ("viewer", None, false),
        ] {
            let may = May::read(Some(role), groups);
            let found = end_of_maintenance("turn off", true, &may);
            assert_eq!(found.is_some(), offered, "{may:?}");
            assert_eq!(end_of_maintenance("turn off", false, &may), None);
            assert_eq!(end_of_maintenance("backup", true, &may), None);
        }
    }
}

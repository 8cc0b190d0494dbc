//! Which machines a list is of, and in which order.

use saltpeter_protocol::api::{KnownMachine, MachineQuery, MachineShow, MachineSort};
use std::cmp::Ordering;

/// Those of `machines` that `query` asks for, in its order. They come by name, and those that are alike stay so.
pub fn select(mut machines: Vec<KnownMachine>, query: &MachineQuery) -> Vec<KnownMachine> {
    let text = query.text.to_lowercase();
    machines.retain(|machine| {
        let is_shown = match query.show {
            MachineShow::All => true,
            MachineShow::Running => !machine.running.is_empty(),
            MachineShow::Failing => machine.failed > 0,
            MachineShow::Maintenance => machine.maintenance,
        };
        is_shown && machine.machine.as_str().to_lowercase().contains(&text)
    });
    match query.sort {
        MachineSort::Name => {}
        MachineSort::Failures => machines.sort_by(worse),
        // Never heard of is longer than any time.
        MachineSort::Silent => machines.sort_by_key(|machine| machine.seen),
    }
    machines
}

/// By the share of failures, without a division; then by their number.
fn worse(a: &KnownMachine, b: &KnownMachine) -> Ordering {
    let share =
        |a: &KnownMachine, b: &KnownMachine| u64::from(a.failed) * u64::from(b.results.max(1));
    share(b, a)
        .cmp(&share(a, b))
        .then_with(|| b.failed.cmp(&a.failed))
}

#[cfg(test)]
mod tests {
    use super::*;
    use saltpeter_protocol::{MachineId, RunId, UnixMillis};

    fn machine(name: &str, failed: u32, results: u32, seen: Option<i64>) -> KnownMachine {
        KnownMachine {
            machine: MachineId::new(name).unwrap(),
            seen: seen.map(UnixMillis),
            wrapper: None,
            running: Vec::new(),
            results,
            failed,
            maintenance: false,
            heard: false,
        }
    }

    fn names(machines: Vec<KnownMachine>, query: &MachineQuery) -> Vec<String> {
        let selected = select(machines, query);
        selected.into_iter().map(|m| m.machine.into()).collect()
    }

    fn fleet() -> Vec<KnownMachine> {
        let mut busy = machine("Web2", 0, 20, Some(9));
        busy.running = vec![RunId::new("a_1").unwrap()];
        let mut out = machine("web3", 10, 20, None);
        out.maintenance = true;
        vec![
            machine("db1", 1, 2, Some(5)),
            machine("db2", 0, 0, Some(1)),
            machine("web1", 3, 20, Some(7)),
            busy,
            out,
        ]
    }

    #[test]
    fn they_are_narrowed_by_name_and_by_how_they_are() {
        let by = |text: &str, show| {
            let query = MachineQuery {
                text: text.to_owned(),
                show,
                ..MachineQuery::default()
            };
            names(fleet(), &query)
        };
        assert_eq!(by("WEB", MachineShow::All), ["web1", "Web2", "web3"]);
        assert_eq!(by("", MachineShow::Running), ["Web2"]);
        assert_eq!(by("", MachineShow::Failing), ["db1", "web1", "web3"]);
        assert_eq!(by("web", MachineShow::Maintenance), ["web3"]);
        assert!(by("mail", MachineShow::All).is_empty());
    }

    #[test]
    fn the_worst_and_the_most_silent_come_first() {
        let by = |sort| {
            let query = MachineQuery {
                sort,
                ..MachineQuery::default()
            };
            names(fleet(), &query)
        };
        // As bad a share of more results is worse.
        let worst = ["web3", "db1", "web1", "db2", "Web2"];
        assert_eq!(by(MachineSort::Failures), worst);
        let silent = ["web3", "db2", "db1", "web1", "Web2"];
        assert_eq!(by(MachineSort::Silent), silent);
    }
}

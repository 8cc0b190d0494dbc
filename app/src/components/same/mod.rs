//! The machines of a run by what they have written: most often most of them have written the same.

use crate::browser;
use crate::client;
use crate::components::rows::Rows;
use crate::format;
use crate::routes;
use leptos::prelude::*;
use leptos::task::spawn_local;
use saltpeter_protocol::RunId;
use saltpeter_protocol::api::{RunDetail, SameOutput};
use std::sync::Arc;
use std::time::Duration;

/// Groups that are shown; they are the largest.
const GROUPS: usize = 8;

/// While machines end, it is asked for this often at most.
const EVERY: Duration = Duration::from_secs(1);

/// And while none ends and commands write, every so many times that long.
const RESTS: u32 = 5;

/// Machines of a group that are named.
const NAMED: usize = 240;

/// The groups, with what can be done with the output of all machines; `first` is what the page brought along of them.
pub(crate) fn same_output(
    run: RunId,
    detail: Memo<Arc<RunDetail>>,
    first: Option<Vec<SameOutput>>,
) -> AnyView {
    let known = first.is_some();
    let groups = RwSignal::new(first.unwrap_or_default());
    let ended = Memo::new(move |_| {
        detail.with(|detail| {
            let rows = detail.machines.iter();
            rows.filter(|row| row.state.is_ended()).count()
        })
    });
    let over = Memo::new(move |_| detail.with(|detail| detail.summary.state.is_ended()));
    let busy = StoredValue::new(false);
    let read_for = StoredValue::new(known.then(|| ended.get_untracked()));
    let of = run.clone();
    Effect::new(move || {
        // Whenever more machines are done, and now and then while some are not. While it is being read it is not asked again,
        // but after that once more.
        let is_read = read_for.get_value() == Some(ended.get()) && over.get();
        if is_read || busy.get_value() {
            return;
        }
        busy.set_value(true);
        let run = of.clone();
        spawn_local(async move {
            let mut rests = 0;
            while !groups.is_disposed() {
                let now = ended.get_untracked();
                let is_new = read_for.get_value() != Some(now);
                if is_new || (rests >= RESTS && !browser::hidden()) {
                    rests = 0;
                    let read = client::same_output(run.clone()).await;
                    if groups.is_disposed() {
                        return;
                    }
                    read_for.set_value(Some(now));
                    if let Ok(read) = read
                        && groups.with_untracked(|known| *known != read)
                    {
                        groups.set(read);
                    }
                } else if over.get_untracked() {
                    busy.set_value(false);
                    return;
                }
                browser::sleep(EVERY).await;
                rests += 1;
            }
        });
    });
    let (merged, archive) = (routes::merged_page(&run), routes::archive_api(&run));
    let file = format!("{run}.tar");
    let rest = move || {
        let rest = groups.with(|groups| rest(groups));
        rest.map(|text| view! { <p class="weak" data-testid="same-rest">{text}</p> })
    };
    let shown = move || {
        groups.with(|groups| {
            let all: usize = groups.iter().map(|group| group.machines.len()).sum();
            let shown = if all_differ(groups) { 0 } else { GROUPS };
            let groups = groups.iter().take(shown);
            groups.map(|group| (group.clone(), all)).collect::<Vec<_>>()
        })
    };
    view! {
        <section class="same" data-testid="same-output">
            <div class="same-tools">
                <h3>"Output"</h3>
                <a class="button" href=merged data-testid="merge">
                    "Merged by time"
                </a>
                <a class="button" href=archive download=file rel="external" data-testid="archive">
                    "Download all"
                </a>
            </div>
            <ul>
                <Rows
                    each=shown
                    key=|(group, all)| {
                        let first = group.machines.first().map(ToString::to_string);
                        format!("{first:?} {} {} {all}", group.machines.len(), group.length.bytes)
                    }
                    children=move |(group, all)| group_view(&run, &group, all)
                />
            </ul>
            {move || rest()}
        </section>
    }
    .into_any()
}

fn all_differ(groups: &[SameOutput]) -> bool {
    groups.len() > 2 && groups.iter().all(|group| group.machines.len() == 1)
}

/// What is said of the groups that are not shown.
fn rest(groups: &[SameOutput]) -> Option<String> {
    if all_differ(groups) {
        let machines = format::amount(groups.len() as u64, "machine");
        return Some(format!("different on all {machines}"));
    }
    let rest = groups.get(GROUPS..).filter(|rest| !rest.is_empty())?;
    let machines: usize = rest.iter().map(|group| group.machines.len()).sum();
    let machines = format::amount(machines as u64, "machine");
    let outputs = format::amount(rest.len() as u64, "other output");
    Some(format!("{outputs} on {machines}"))
}

/// What a group is.
fn words(group: &SameOutput, all: usize) -> String {
    let machines = format::amount(group.machines.len() as u64, "machine");
    let same = if group.machines.len() == all {
        format!("identical on all {machines}")
    } else {
        format!("identical on {machines}")
    };
    format!("{same} · {}", size(group))
}

fn size(group: &SameOutput) -> String {
    if group.length.bytes == 0 {
        return "no output".to_owned();
    }
    let lines = format::amount(group.length.lines, "line");
    format!("{lines} · {}", format::size(group.length.bytes))
}

fn group_view(run: &RunId, group: &SameOutput, all: usize) -> AnyView {
    let link = |machine| {
        let href = routes::machine_page(run, machine);
        view! { <a href=href>{machine.to_string()}</a> }
    };
    if let [machine] = group.machines.as_slice() {
        return view! {
            <li data-testid="same-group" data-count="1">
                {link(machine)}
                <span class="weak">{size(group)}</span>
            </li>
        }
        .into_any();
    }
    let links: Vec<_> = group.machines.iter().take(NAMED).map(link).collect();
    let more = group.machines.len().saturating_sub(NAMED);
    let more = (more > 0).then(|| format!("and {} more", format::number(more as u64)));
    view! {
        <li data-testid="same-group" data-count=group.machines.len()>
            <details>
                <summary>{words(group, all)}</summary>
                <p class="same-machines">{links} {more}</p>
            </details>
        </li>
    }
    .into_any()
}

#[cfg(test)]
mod tests {
    use super::*;
    use saltpeter_protocol::MachineId;
    use saltpeter_protocol::api::OutputLength;

    fn group(machines: std::ops::Range<u32>, bytes: u64) -> SameOutput {
        SameOutput {
            length: OutputLength {
                bytes,
                lines: bytes / 10,
            },
            machines: machines
                .map(|n| MachineId::new(format!("web{n}")).unwrap())
                .collect(),
        }
    }

    #[test]
    fn groups_are_said_in_words() {
        assert_eq!(
            words(&group(0..812, 120), 815),
            "identical on 812 machines · 12 lines · 120 B"
        );
        assert_eq!(
            words(&group(0..3, 0), 3),
            "identical on all 3 machines · no output"
        );
        let few: Vec<_> = (0..10).map(|n| group(n * 2..n * 2 + 2, 10)).collect();
        assert_eq!(rest(&few).unwrap(), "2 other outputs on 4 machines");
        assert_eq!(rest(&few[..8]), None);
        let each: Vec<_> = (0..5).map(|n| group(n..n + 1, 10)).collect();
        assert_eq!(rest(&each).unwrap(), "different on all 5 machines");
    }
}

//! The Machines page: what is known of each machine.

mod row;

use super::Loaded;
use crate::chunk::Part;
use crate::client;
use crate::components::fields::{Choice, Form, Text};
use crate::components::rows::Rows;
use crate::components::shown::Shown;
use crate::format;
use crate::query::{Asked, asked_of};
use crate::reading::{self, Answered, Back, Refused, refused};
use leptos::prelude::*;
use leptos::wasm_split::wasm_split;
use leptos_meta::Title;
use row::{Row, key};
use saltpeter_protocol::api::{MachineList, MachineShow, MachineSort};

/// Where the page is.
const PATH: &str = "/machines";

/// The page, in a chunk of its own.
#[wasm_split(machines, wasm_split_path = leptos::wasm_split, preload(load), fallible)]
pub(crate) fn page() -> Part {
    Ok(MachinesPage().into_any())
}

#[component]
fn MachinesPage() -> impl IntoView {
    let asked = asked_of(PATH);
    let list = reading::begin(asked, client::machines);
    let show = move |first| view! { <Content asked first /> }.into_any();
    view! {
        <Title text="Machines · Saltpeter" />
        <div class="page machines-page">
            <h1>"Machines"</h1>
            <Loaded what="list of machines" page=list show />
        </div>
    }
    .into_any()
}

#[component]
fn Content(asked: Memo<Asked>, first: Answered<MachineList>) -> impl IntoView {
    let list = RwSignal::new(first);
    let go = reading::go_within(PATH, Back::Kept);
    reading::follow(asked, list, client::machines, None);
    let machines = move || {
        list.with(|list| {
            list.as_ref()
                .map_or_else(|_| Vec::new(), |l| l.machines.clone())
        })
    };
    let days = move || list.with(|list| list.as_ref().map_or(0, |list| list.days));
    let counters = move || {
        list.with(|list| {
            let Ok(list) = list else { return String::new() };
            let known = format::amount(u64::from(list.known), "machine");
            let found = u64::from(list.found);
            let shown = list.machines.len() as u64;
            if shown < found {
                let (shown, found) = (format::number(shown), format::number(found));
                return format!("the first {shown} of {found} · {known} known");
            }
            if list.found == list.known {
                known
            } else {
                format!("{} of {known}", format::number(found))
            }
        })
    };
    let none = move || list.with(|list| list.as_ref().is_ok_and(|list| list.machines.is_empty()));
    let known = move || list.with(|list| list.as_ref().is_ok_and(|list| list.known > 0));
    let shows = MachineShow::ALL.map(|show| (show.as_str(), show.label()));
    let sorts = MachineSort::ALL.map(|sort| (sort.as_str(), sort.label()));
    view! {
        <Form path=PATH testid="machines-filter">
            <Text asked go name="q" label="Name" kind="search" />
            <Choice asked go name="show" label="Show" any=shows[0].1 options=shows[1..].to_vec() />
            <Choice asked go name="sort" label="Order" any=sorts[0].1 options=sorts[1..].to_vec() />
            <button type="submit" class="without-script">
                "Filter"
            </button>
            <span class="counters" data-testid="machines-counters">
                {move || counters()}
            </span>
        </Form>
        <Refused problem=refused(list) testid="machines-problem" />
        <Shown when=move || none()>
            <section class="empty-state" data-testid="no-machines">
                <h2>"No machines"</h2>
                <p>
                    {move || {
                        if known() {
                            "None of the known machines matches the filter."
                        } else {
                            "None is known yet: a machine appears once something has run there."
                        }
                    }}
                </p>
                <Shown when=known>
                    <p>
                        <a href=PATH>"Show all"</a>
                    </p>
                </Shown>
            </section>
        </Shown>
        <Shown when=move || !machines().is_empty()>
            <section class="card">
                <div class="table-scroll">
                    <table class="machines" data-testid="machines">
                        <thead>
                            <tr>
                                <th>"Machine"</th>
                                <th>"Last heard"</th>
                                <th>"Wrapper"</th>
                                <th>"Running"</th>
                                <th>"Failures"</th>
                                <th>"Maintenance"</th>
                                <th>
                                    <span class="hidden">"Runs"</span>
                                </th>
                            </tr>
                        </thead>
                        <tbody>
                            <Rows
                                each=move || machines()
                                key=key
                                children=move |machine| view! { <Row machine /> }
                            />
                        </tbody>
                    </table>
                </div>
            </section>
            <p class="weak">
                {move || {
                    format!(
                        "Failures are those of the last {} days. Wrapper versions are known since the server's start.",
                        days(),
                    )
                }}
            </p>
        </Shown>
    }
    .into_any()
}

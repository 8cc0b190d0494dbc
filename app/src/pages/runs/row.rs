//! A run in the list.

use crate::components::marks::{Mark, run_word};
use crate::components::run_view::{Cause, counts_text, ended_at};
use crate::components::when::{Lasting, When};
use crate::query::Asked;
use crate::routes;
use leptos::prelude::*;
use saltpeter_protocol::MachineId;
use saltpeter_protocol::api::RunSummary;

/// The row. The run's link leads to the machine that the list is narrowed to.
#[component]
pub(super) fn Row(run: RunSummary, asked: Memo<Asked>) -> impl IntoView {
    let mark = Mark::of_run(&run.state);
    let machine = asked.with_untracked(|asked| MachineId::new(asked.get("machine")).ok());
    let href = match machine {
        Some(machine) => routes::machine_page(&run.id, &machine),
        None => routes::run_page(&run.id),
    };
    view! {
        <tr data-row="" data-testid="run-row" data-run=run.id.to_string() data-state=run_word(&run.state)>
            <td class="col-run">
                <a href=href>{run.id.to_string()}</a>
            </td>
            <td class="col-state">
                <span class="state">
                    <span class=mark.class() aria-hidden="true">
                        {mark.symbol()}
                    </span>
                    {run_word(&run.state)}
                </span>
            </td>
            <td class="col-begun">
                <When at=Some(run.created) />
            </td>
            <td class="col-took">
                <Lasting from=Some(run.created) to=ended_at(&run) />
            </td>
            <td class="col-cause weak">
                <Cause cause=run.cause />
            </td>
            <td class="col-machines weak">{counts_text(&run.counts)}</td>
        </tr>
    }
    .into_any()
}

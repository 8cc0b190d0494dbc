//! What a job's past says: how often it goes well, where it is slow, and what is different since it last went well.

use crate::components::shown::Shown;
use crate::components::when::When;
use crate::format;
use crate::routes;
use leptos::prelude::*;
use saltpeter_protocol::api::{
    ConfigChange, JobDetail, JobPast, LastSuccess, SinceSuccess, SlowMachine, SuccessRate,
};
use std::fmt::Write as _;
use std::time::Duration;

/// How often it goes well, and where it is slow.
#[component]
pub(super) fn Past(detail: RwSignal<JobDetail>) -> impl IntoView {
    let past = Memo::new(move |_| detail.with(|detail| detail.past.clone()));
    let has_slow = move || past.with(|past| !past.slowest.is_empty());
    view! {
        <div class="cards">
            <section class="card" data-testid="success-rate">
                <h2>"Success"</h2>
                {move || past.with(rates)}
            </section>
            <section class="card" data-testid="slowest">
                <h2>"Slowest machines"</h2>
                <Shown
                    when=has_slow
                    fallback=|| view! { <p class="empty">"No machine has come to an end yet."</p> }
                >
                    {move || past.with(slowest)}
                </Shown>
            </section>
        </div>
    }
    .into_any()
}

/// What is different since it last went well, while it does not.
#[component]
pub(super) fn Since(detail: RwSignal<JobDetail>) -> impl IntoView {
    let told = Memo::new(move |_| detail.with(|detail| detail.past.since_success.clone()));
    view! {
        <Shown when=move || told.with(Option::is_some)>
            <section class="card since" data-testid="since-success">
                <h2>"Since the last success"</h2>
                {move || told.with(|told| told.as_ref().map(since))}
            </section>
        </Shown>
    }
    .into_any()
}

fn rates(past: &JobPast) -> AnyView {
    past.rates.iter().map(rate).collect_view().into_any()
}

/// "96.4 %", "100 %".
fn percent(per_mille: u64) -> String {
    match (per_mille / 10, per_mille % 10) {
        (whole, 0) => format!("{whole} %"),
        (whole, tenth) => format!("{whole}.{tenth} %"),
    }
}

fn rate(rate: &SuccessRate) -> AnyView {
    let counted = rate.succeeded + rate.failed;
    let (value, fill) = match rate.per_mille() {
        Some(share) => (percent(share), share),
        None => ("–".to_owned(), 0),
    };
    let mut words = format!(
        "{} of {} succeeded",
        format::number(rate.succeeded),
        format::amount(counted, "run")
    );
    if counted == 0 {
        "no run came to an end".clone_into(&mut words);
    }
    if rate.other > 0 {
        // Writing into a String cannot fail.
        let _ = write!(
            words,
            "; {} more killed, skipped or missed",
            format::number(rate.other)
        );
    }
    let class = match (counted, rate.failed) {
        (0, _) => "rate none",
        (_, 0) => "rate all",
        _ => "rate some",
    };
    view! {
        <div class=class data-testid="rate">
            <span class="days weak">{format!("{} days", rate.days)}</span>
            <strong>{value}</strong>
            // The same in the words below.
            <svg viewBox="0 0 1000 6" preserveAspectRatio="none" aria-hidden="true">
                <rect class="all" width="1000" height="6" />
                <rect class="good" width=fill height="6" />
            </svg>
            <span class="weak words">{words}</span>
        </div>
    }
    .into_any()
}

fn slowest(past: &JobPast) -> AnyView {
    let longest = past.slowest.first().map_or(1, |row| row.mean_ms).max(1);
    view! {
        <table class="slowest">
            <thead>
                <tr>
                    <th>"Machine"</th>
                    <th class="numeric">"Takes on average"</th>
                    <th class="numeric">"Failed"</th>
                </tr>
            </thead>
            <tbody>{past.slowest.iter().map(|row| slow(row, longest)).collect_view()}</tbody>
        </table>
    }
    .into_any()
}

fn slow(row: &SlowMachine, longest: u64) -> AnyView {
    let SlowMachine {
        machine,
        mean_ms,
        results,
        failed,
    } = row;
    view! {
        <tr data-testid="slow-machine">
            <td>
                {machine.to_string()}
                <svg viewBox="0 0 1000 2" preserveAspectRatio="none" aria-hidden="true">
                    <rect class="length" width=mean_ms * 1000 / longest height="2" />
                </svg>
            </td>
            <td class="numeric">{format::duration(Duration::from_millis(*mean_ms))}</td>
            <td class="numeric">
                {format!("{} of {}", format::number(*failed), format::number(*results))}
            </td>
        </tr>
    }
    .into_any()
}

fn since(since: &SinceSuccess) -> AnyView {
    let newest = view! { <a href=routes::run_page(&since.run)>{since.run.to_string()}</a> };
    let Some(last) = &since.last else {
        return view! {
            <p>{newest} " did not succeed, and no run that did is known."</p>
        }
        .into_any();
    };
    view! {
        <p>
            {newest} " did not succeed. The last that did is "
            <a href=routes::run_page(&last.run)>{last.run.to_string()}</a> ", "
            <When at=Some(last.at) /> "."
        </p>
        {changes(last)}
    }
    .into_any()
}

fn changes(last: &LastSuccess) -> AnyView {
    match &last.changes {
        None => {
            view! { <p class="empty">"What the job was then is not known any more."</p> }.into_any()
        }
        Some(changes) if changes.is_empty() => view! {
            <p class="empty">"The job itself is as it was then: the cause is elsewhere."</p>
        }
        .into_any(),
        Some(changes) => view! {
            <dl class="changes">{changes.iter().map(change).collect_view()}</dl>
        }
        .into_any(),
    }
}

fn change(change: &ConfigChange) -> AnyView {
    let ConfigChange { key, before, after } = change;
    let line = |class: &'static str, sign: &'static str, value: &Option<String>| {
        value.as_ref().map(|value| {
            view! {
                <dd class=class>
                    <span aria-hidden="true">{sign}</span>
                    <span class="hidden">{if sign == "+" { "now: " } else { "then: " }}</span>
                    <code>{value.clone()}</code>
                </dd>
            }
        })
    };
    // A secret's value is not told; that it is another one is.
    let masked = before.is_some() && before == after;
    view! {
        <dt data-testid="config-change">
            <code>{key.clone()}</code>
            {masked.then_some(" has another value")}
        </dt>
        {(!masked).then(|| view! { {line("then", "−", before)} {line("now", "+", after)} })}
    }
    .into_any()
}

#[cfg(test)]
mod tests {
    use super::percent;

    #[test]
    fn a_share_has_a_tenth_only_where_it_says_something() {
        assert_eq!(
            [1000, 999, 500, 5, 0].map(percent),
            ["100 %", "99.9 %", "50 %", "0.5 %", "0 %"]
        );
    }
}

//! What an edit will write, line by line.

use leptos::prelude::*;
use saltpeter_protocol::api::{DiffChange, DiffLine};

/// The changed lines with some around them; `None` stands for lines left out.
fn excerpt(lines: &[DiffLine]) -> Vec<Option<&DiffLine>> {
    const AROUND: usize = 3;
    let mut shown = Vec::new();
    let mut left_out = false;
    for (i, line) in lines.iter().enumerate() {
        let near = &lines[i.saturating_sub(AROUND)..lines.len().min(i + AROUND + 1)];
        if near.iter().any(|line| line.change != DiffChange::Same) {
            if std::mem::take(&mut left_out) {
                shown.push(None);
            }
            shown.push(Some(line));
        } else {
            left_out = true;
        }
    }
    if left_out {
        shown.push(None);
    }
    shown
}

/// The lines that change, and a few around each.
pub(crate) fn diff_lines(lines: &[DiffLine]) -> AnyView {
    excerpt(lines)
        .into_iter()
        .map(|line| {
            let (class, sign, text) = match line {
                None => ("left-out", "", "⋯".to_owned()),
                Some(line) => match line.change {
                    DiffChange::Same => ("same", " ", line.text.clone()),
                    DiffChange::Added => ("added", "+", line.text.clone()),
                    DiffChange::Removed => ("removed", "−", line.text.clone()),
                },
            };
            view! {
                <div class=format!("diff-line {class}")>
                    <span class="sign">{sign}</span>
                    <span>{text}</span>
                </div>
            }
        })
        .collect_view()
        .into_any()
}

/// How many lines change.
pub(crate) fn changed_lines(lines: &[DiffLine]) -> u64 {
    let changed = lines.iter().filter(|line| line.change != DiffChange::Same);
    changed.count() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_excerpt_shows_changes_and_what_is_around_them() {
        let mut lines: Vec<DiffLine> = (0..20)
            .map(|n| DiffLine {
                change: DiffChange::Same,
                text: n.to_string(),
            })
            .collect();
        lines[10].change = DiffChange::Added;
        let texts: Vec<&str> = excerpt(&lines)
            .iter()
            .map(|line| line.map_or("⋯", |line| &line.text))
            .collect();
        assert_eq!(texts, ["⋯", "7", "8", "9", "10", "11", "12", "13", "⋯"]);
        assert!(excerpt(&[]).is_empty());
        assert_eq!(changed_lines(&lines), 1);
    }
}

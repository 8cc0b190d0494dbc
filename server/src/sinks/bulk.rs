//! The answer to a `_bulk` request: what became of each of its documents.

use serde::Deserialize;
use std::collections::BTreeMap;

/// What became of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fate {
    /// It is there, or a newer word about the same thing is.
    Taken,
    /// The cluster could not take it now: the reason.
    Again(String),
    /// The cluster will never take it: the reason.
    Rejected(String),
}

#[derive(Deserialize)]
struct Answer {
    items: Vec<BTreeMap<String, Item>>,
}

#[derive(Deserialize)]
struct Item {
    status: u16,
    error: Option<ItemError>,
}

#[derive(Deserialize)]
struct ItemError {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    reason: Option<String>,
}

/// Reads the answer to a request of `count` documents. An error means that it does not say what became of them.
pub(super) fn fates(answer: &[u8], count: usize) -> Result<Vec<Fate>, String> {
    let answer: Answer = serde_json::from_slice(answer)
        .map_err(|error| format!("the answer is not one of the _bulk interface: {error}"))?;
    let items: Vec<Item> = answer
        .items
        .into_iter()
        .flat_map(BTreeMap::into_values)
        .collect();
    if items.len() != count {
        return Err(format!(
            "the answer tells of {} documents, and {count} were sent",
            items.len()
        ));
    }
    Ok(items.into_iter().map(Item::fate).collect())
}

impl Item {
    fn fate(self) -> Fate {
        let Self { status, error } = self;
        let kind = error.as_ref().map_or("", |error| error.kind.as_str());
        // The document itself is wrong. All else is the cluster's state, which somebody will mend: full disks, too
        // many shards, missing rights.
        let is_document = match status {
            413 => true,
            400 => !matches!(kind, "validation_exception" | "cluster_block_exception"),
            _ => false,
        };
        match status {
            200..=299 | 409 => Fate::Taken,
            _ if is_document => Fate::Rejected(describe(status, error)),
            _ => Fate::Again(describe(status, error)),
        }
    }
}

fn describe(status: u16, error: Option<ItemError>) -> String {
    match error {
        Some(ItemError { kind, reason }) => {
            format!(
                "{status} {kind}: {}",
                reason.as_deref().unwrap_or("no reason given")
            )
        }
        None => format!("{status}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(status: u16, kind: &str) -> String {
        format!(r#"{{"index":{{"status":{status},"error":{{"type":"{kind}","reason":"why"}}}}}}"#)
    }

    #[test]
    fn a_wrong_document_is_told_from_a_cluster_in_trouble() {
        for (status, kind, again) in [
            (429, "es_rejected_execution_exception", true),
            (429, "cluster_block_exception", true),
            (503, "unavailable_shards_exception", true),
            (403, "cluster_block_exception", true),
            (403, "security_exception", true),
            (404, "index_not_found_exception", true),
            (400, "validation_exception", true),
            (500, "", true),
            (400, "mapper_parsing_exception", false),
            (400, "document_parsing_exception", false),
            (413, "", false),
        ] {
            let answer = format!(r#"{{"items":[{}]}}"#, item(status, kind));
            let fate = fates(answer.as_bytes(), 1).unwrap().remove(0);
            let said = format!("{status} {kind}: why");
            let expected = if again {
                Fate::Again(said)
            } else {
                Fate::Rejected(said)
            };
            assert_eq!(fate, expected);
        }
    }

    #[test]
    fn each_document_has_its_own_fate() {
        let answer = format!(
            r#"{{"errors":true,"items":[{{"index":{{"status":201}}}},{},{}]}}"#,
            item(409, "version_conflict_engine_exception"),
            item(400, "x")
        );
        let fates = fates(answer.as_bytes(), 3).unwrap();
        assert_eq!(fates[..2], [Fate::Taken, Fate::Taken]);
        assert!(matches!(fates[2], Fate::Rejected(_)));
    }

    #[test]
    fn an_answer_of_something_else_is_an_error() {
        assert!(fates(b"<html>", 1).unwrap_err().contains("_bulk"));
        assert!(
            fates(br#"{"items":[]}"#, 1)
                .unwrap_err()
                .contains("0 documents")
        );
    }
}

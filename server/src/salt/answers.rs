//! What Salt's answers mean. They are salt-api's, whose form the other way has taken on.

use super::{Return, SaltError};
use saltpeter_protocol::MachineId;
use serde::Deserialize;
use serde_json::{Map, Value};

/// The longest explanation that is passed on to people, in characters.
const EXPLANATION_MAX: usize = 300;

/// A job as the master remembers it.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Remembered {
    /// Whom it was for.
    pub(super) expected: Vec<MachineId>,
    /// What has come back so far.
    pub(super) returns: Vec<Return>,
}

/// The machines that a `local_async` call is for; empty when it matched none.
pub(super) fn expected(answer: &Value) -> Result<Vec<MachineId>, SaltError> {
    let first = answer.pointer("/return/0");
    match first {
        Some(Value::Object(made)) => Ok(machines(made.get("minions"))),
        _ => Err(SaltError::Unsure(format!(
            "Salt answered a call with {}, which is no answer of `local_async`",
            shortened(&answer.to_string())
        ))),
    }
}

/// The answer of `/jobs/<jid>`; `None` when the master knows no such job.
pub(super) fn remembered(answer: &Value) -> Option<Remembered> {
    let job = answer.pointer("/info/0")?.as_object()?;
    if job.contains_key("Error") {
        return None;
    }
    let returns = match job.get("Result") {
        Some(Value::Object(results)) => results
            .iter()
            .filter_map(|(machine, result)| {
                let result = result.as_object()?;
                read_return(machine, result)
            })
            .collect(),
        // So many or such long returns that Salt cut all of them.
        _ => Vec::new(),
    };
    Some(Remembered {
        expected: machines(job.get("Minions")),
        returns,
    })
}

/// The event of a return.
pub(super) fn event(body: &[u8]) -> Option<Return> {
    #[derive(Deserialize)]
    struct Event {
        data: Map<String, Value>,
    }
    let Event { data } = serde_json::from_slice(body).ok()?;
    let machine = data.get("id")?.as_str()?.to_owned();
    read_return(&machine, &data)
}

/// Reads `return`, `retcode` and `success`, as they stand in an event and in a remembered job.
fn read_return(machine: &str, data: &Map<String, Value>) -> Option<Return> {
    let value = data.get("return")?.clone();
    let failed = data.get("success") == Some(&Value::Bool(false));
    // Several functions at once have a mapping of codes; then the success decides.
    let retcode = data.get("retcode").and_then(Value::as_i64);
    Some(Return {
        machine: MachineId::new(machine).ok()?,
        value,
        retcode: retcode.unwrap_or(i64::from(failed)),
    })
}

fn machines(list: Option<&Value>) -> Vec<MachineId> {
    let names = list.and_then(Value::as_array).into_iter().flatten();
    names
        .filter_map(|name| MachineId::new(name.as_str()?).ok())
        .collect()
}

/// Text that others wrote, no longer than people want to read.
pub(super) fn shortened(text: &str) -> String {
    match text.char_indices().nth(EXPLANATION_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::{Remembered, event, expected, remembered};
    use crate::salt::Return;
    use saltpeter_protocol::MachineId;
    use serde_json::{Value, json};

    fn id(name: &str) -> MachineId {
        MachineId::new(name).unwrap()
    }

    #[test]
    fn a_call_tells_whom_it_is_for() {
        let made = json!({"return": [{"jid": "1", "minions": ["web1", "db1"]}]});
        assert_eq!(expected(&made), Ok(vec![id("web1"), id("db1")]));
        assert_eq!(expected(&json!({"return": [{}]})), Ok(vec![]));
        assert!(expected(&json!({"clients": []})).is_err());
    }

    #[test]
    fn a_bare_text_comes_through_with_its_code() {
        let body = br#"{"tag": "t", "data": {"id": "web1", "return": "'x.y' is not available.",
            "success": false, "jid": "1", "retcode": 1}}"#;
        let told = Return {
            machine: id("web1"),
            value: Value::from("'x.y' is not available."),
            retcode: 1,
        };
        assert_eq!(event(body), Some(told));
    }

    #[test]
    fn without_a_code_the_success_decides() {
        let of = |success: bool| {
            let data =
                json!({"data": {"id": "a", "return": {}, "retcode": {"x": 1}, "success": success}});
            event(data.to_string().as_bytes()).unwrap().retcode
        };
        assert_eq!((of(true), of(false)), (0, 1));
    }

    #[test]
    fn a_job_that_the_master_does_not_know_is_none() {
        let answer = json!({"info": [{"jid": "1", "Error": "Cannot contact returner", "Result": {}}], "return": [{}]});
        assert_eq!(remembered(&answer), None);
    }

    #[test]
    fn a_job_that_was_cut_has_no_returns() {
        let answer = json!({"info": [{"Minions": ["a"], "Result": "VALUE_TRIMMED"}]});
        let cut = Remembered {
            expected: vec![id("a")],
            returns: vec![],
        };
        assert_eq!(remembered(&answer), Some(cut));
    }
}

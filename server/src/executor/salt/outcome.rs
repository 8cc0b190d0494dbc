//! What the return of a command that Salt ran means.

use crate::executor::DirectNews;
use crate::salt::{Return, TRIMMED};
use saltpeter_protocol::MachineId;
use saltpeter_protocol::launch::CommandSpec;
use saltpeter_protocol::machine::v2::Exit;
use serde_json::Value;

/// Of a machine that the master has no key of.
pub(super) const NOT_KNOWN: &str = "Salt does not know this machine any more: its key was removed or it was renamed. See salt-key -L.";

/// Reads what `cmd.run_all` returned for `command`, which `killed` says was told to end.
pub(super) fn read(returned: Return, killed: bool, command: &CommandSpec) -> DirectNews {
    let machine = returned.machine;
    let Value::Object(value) = returned.value else {
        if killed {
            return self::killed(machine);
        }
        let said = match &returned.value {
            Value::String(text) => text.trim().to_owned(),
            other => other.to_string(),
        };
        return DirectNews::Failed(machine, format!("Salt could not run the command: {said}"));
    };
    let text = |name: &str| match value.get(name).and_then(Value::as_str) {
        Some(TRIMMED) => format!(
            "[The {name} is too long for Salt's event bus, and Salt has dropped it. A wrapper would have brought it: take use_wrapper out.]\n"
        ),
        None | Some("") => String::new(),
        // Salt has taken the last line's end away.
        Some(text) => format!("{text}\n"),
    };
    let code = value.get("retcode").and_then(Value::as_i64);
    let (stdout, stderr) = (text("stdout"), text("stderr"));
    let exit = if killed {
        Exit::Killed
    } else if timed_out(&stdout, command) {
        Exit::TimedOut
    } else {
        exit(code)
    };
    DirectNews::Ended {
        machine,
        exit,
        stdout,
        stderr,
    }
}

/// The command was ended, and with it Salt's job, which so returns nothing.
pub(super) fn killed(machine: MachineId) -> DirectNews {
    DirectNews::Ended {
        machine,
        exit: Exit::Killed,
        stdout: String::new(),
        stderr: String::new(),
    }
}

/// Salt says so in the place of the output.
fn timed_out(stdout: &str, command: &CommandSpec) -> bool {
    command.time_limit.is_some_and(|limit| {
        let end = format!("Timed out after {} seconds", limit.soft.as_secs());
        stdout.trim_end().ends_with(&end)
    })
}

fn exit(code: Option<i64>) -> Exit {
    let code = code
        .and_then(|code| i32::try_from(code).ok())
        .unwrap_or(255);
    if code < 0 {
        Exit::Signalled {
            signal: code.saturating_neg(),
        }
    } else {
        Exit::Exited { code }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use saltpeter_protocol::launch::{LockRule, TimeLimit};
    use serde_json::json;
    use std::collections::BTreeMap;
    use std::time::Duration;

    fn command() -> CommandSpec {
        CommandSpec {
            command: "true".to_owned(),
            cwd: None,
            user: None,
            env: BTreeMap::new(),
            secrets: BTreeMap::new(),
            time_limit: Some(TimeLimit {
                soft: Duration::from_secs(5),
                hard: Duration::from_secs(10),
            }),
            overlap: LockRule::Exclusive,
        }
    }

    fn of(value: Value, killed: bool) -> (Exit, String) {
        let returned = Return {
            machine: MachineId::new("a").unwrap(),
            value,
            retcode: 0,
        };
        match read(returned, killed, &command()) {
            DirectNews::Ended { exit, stdout, .. } => (exit, stdout),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn codes_signals_and_timeouts_are_told_apart() {
        let run = |code: Value, stdout: &str| json!({"pid": 1, "retcode": code, "stdout": stdout, "stderr": ""});
        let code = |code| Exit::Exited { code };
        assert_eq!(of(run(json!(0), "hi"), false), (code(0), "hi\n".to_owned()));
        assert_eq!(of(run(json!(3), ""), false).0, code(3));
        assert_eq!(
            of(run(json!(-9), ""), false).0,
            Exit::Signalled { signal: 9 }
        );
        assert_eq!(of(run(Value::Null, ""), false).0, code(255));
        let late = "true : Timed out after 5 seconds";
        assert_eq!(of(run(json!(1), late), false).0, Exit::TimedOut);
        assert_eq!(of(run(json!(1), late), true).0, Exit::Killed);
        assert!(of(run(json!(0), TRIMMED), false).1.contains("too long"));
    }

    #[test]
    fn a_text_in_place_of_a_result_is_why_it_was_not_run() {
        let returned = Return {
            machine: MachineId::new("a").unwrap(),
            value: json!("Specified cwd '/x' either not absolute or does not exist"),
            retcode: 1,
        };
        let DirectNews::Failed(_, message) = read(returned, false, &command()) else {
            panic!("it was not run");
        };
        assert!(message.contains("'/x'"), "{message}");
    }
}

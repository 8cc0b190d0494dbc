//! What a machine's return means to a launch, as a sentence for the operator where it went wrong.

use super::script::Code;
use crate::salt::Return;
use serde_json::Value;

/// The longest text of a machine that is passed on, in characters.
const LONGEST: usize = 600;

/// What became of a launch on a machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The wrapper was started.
    Started,
    /// Another wrapper is to be brought there first; the machine is of this kind.
    Bring {
        /// Such as `linux-x86_64`.
        kind: String,
    },
    /// Salt's file server did not have the wrapper.
    NotServed,
    /// It went wrong.
    Failed(String),
}

impl Verdict {
    /// Reads what `cmd.run_all` returned for the script that starts the wrapper at `path`.
    pub(super) fn of(returned: &Return, path: &str) -> Self {
        let Some(code) = returned.value.get("retcode").and_then(Value::as_i64) else {
            return Self::Failed(not_run(&returned.value));
        };
        let text = |name: &str| clip(returned.value.get(name).and_then(Value::as_str));
        let (stdout, stderr) = (text("stdout"), text("stderr"));
        match Code::of(code) {
            Some(Code::NotExpected) => Self::Bring { kind: stdout },
            Some(Code::NotServed) => Self::NotServed,
            Some(known) => Self::Failed(sentence(known, path, &stdout, &stderr)),
            None if code == 0 => Self::Started,
            None => Self::Failed(own_failure(code, path, &stdout, &stderr)),
        }
    }
}

fn sentence(code: Code, path: &str, kind: &str, stderr: &str) -> String {
    match code {
        Code::Missing => format!(
            "There is no wrapper at {path}, and the server has none for {kind}. Put one there, or give the server one as <wrappers_dir>/{kind}/saltpeter-wrapper."
        ),
        Code::NotExecutable => {
            format!("The wrapper {path} is not executable. Run chmod 0755 on it.")
        }
        Code::NotPermitted => format!(
            "The wrapper {path} may not be executed: its file system is mounted noexec, or Salt's minion has not the right to. Set wrapper_path to a place where programs may be run."
        ),
        Code::OtherKind => format!(
            "The wrapper {path} is for another architecture than this machine's, {kind}. Put the one for {kind} there."
        ),
        Code::Garbled => format!(
            "The wrapper that came to this machine is not what the server sent (its SHA-256 differs), so {path} was left as it is. Look at the minion's log."
        ),
        Code::NotStored => store_failure(path, stderr),
        Code::NotExpected | Code::NotServed => format!("The wrapper {path} was not brought."),
    }
}

fn store_failure(path: &str, said: &str) -> String {
    if said.contains("No space left") {
        format!(
            "The wrapper could not be written to {path}: the disk is full. Make room there, or set default_wrapper_path to another place."
        )
    } else if said.contains("Read-only file system") {
        format!(
            "The wrapper could not be written to {path}: its file system is read-only. Set default_wrapper_path to a place that can be written."
        )
    } else {
        format!("The wrapper could not be written to {path}: {said}")
    }
}

/// The wrapper was there, and ended otherwise than well.
fn own_failure(code: i64, path: &str, stdout: &str, stderr: &str) -> String {
    let said = match (stderr, stdout) {
        ("", "") => String::new(),
        ("", said) | (said, _) => format!(": {said}"),
    };
    if said.contains("No space left") {
        return format!(
            "The wrapper {path} did not start because a disk is full. Make room on this machine{said}"
        );
    }
    if code == 127 {
        return format!(
            "The wrapper {path} cannot be run on this machine (a library or interpreter that it needs is missing){said}"
        );
    }
    format!("The wrapper {path} ended with {code} instead of starting{said}")
}

/// Salt did not run the script.
fn not_run(value: &Value) -> String {
    // Behind a line comes the template that could not be filled in.
    let said = match value {
        Value::String(text) => clip(text.split("\n---").next()),
        other => clip(Some(&other.to_string())),
    };
    if said.contains("No space left") {
        return "Salt could not bring or start the wrapper: the machine's disk is full. Make room there."
            .to_owned();
    }
    if said.contains("is not available") {
        return format!(
            "Salt's minion there cannot run commands: {said} Allow the module cmd on it."
        );
    }
    format!("Salt could not run the wrapper's start on this machine: {said}")
}

/// The end of `text`, where the reason stands.
fn clip(text: Option<&str>) -> String {
    let text = text.unwrap_or_default().trim();
    let all = text.chars().count();
    if all <= LONGEST {
        return text.to_owned();
    }
    let end: String = text.chars().skip(all - LONGEST).collect();
    format!("… {end}")
}

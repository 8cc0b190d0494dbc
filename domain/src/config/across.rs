//! What no key says alone: settings that need each other, and jobs that need a setting.

use super::migrating::has_extension;
use super::nearest::nearest;
use super::{Executor, Plaintext, Problem, Settings, Severity};
use crate::job::{Job, LaunchWay, SourceRef, WrapperProtocol};
use saltpeter_protocol::JobName;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Where each setting is written that a file gives.
type Sources = BTreeMap<&'static str, SourceRef>;

/// What is wrong or doubtful when all files are taken together, each at the place where it is to be mended.
pub(super) fn problems(
    settings: &Settings,
    sources: &Sources,
    jobs: &BTreeMap<JobName, Arc<Job>>,
) -> Vec<Problem> {
    let mut found = Vec::new();
    found.extend(executor(settings, sources));
    found.extend(certificates(settings, sources));
    found.extend(default_wrapper(settings, sources));
    found.extend(jobs.values().filter_map(|job| own_wrapper(settings, job)));
    found.extend(jobs.values().filter_map(|job| without_salt(settings, job)));
    found
}

/// Groups under maintenance, and those that there are.
pub(super) struct Held<'a> {
    /// Those under maintenance.
    pub(super) groups: &'a BTreeSet<String>,
    /// Where that is written, if it is.
    pub(super) source: Option<SourceRef>,
    /// The group of every file, whether there are jobs in it or not.
    pub(super) known: Vec<&'a str>,
}

/// Unknown groups that are told of; a file may name a great many.
const UNKNOWN_GROUPS: usize = 20;

/// A group whose name was mistyped would be under maintenance, and the one that was meant go on.
pub(super) fn unknown_groups(held: &Held) -> Vec<Problem> {
    let Some(source) = &held.source else {
        return Vec::new();
    };
    let unknown = held.groups.iter();
    unknown
        .filter(|group| !held.known.contains(&group.as_str()))
        .take(UNKNOWN_GROUPS)
        .map(|group| {
            let meant = nearest(group, held.known.iter().copied())
                .map(|near| format!("; did you mean {near:?}?"))
                .unwrap_or_default();
            let message = format!(
                "groups: there is no group {group:?}, so nothing is held back by it: a group is the name of a file without its ending{meant}"
            );
            at(source, Severity::Warning, message)
        })
        .collect()
}

/// A job that only Salt could run, where there is none.
fn without_salt(settings: &Settings, job: &Job) -> Option<Problem> {
    if settings.executor != Executor::Local || job.launch == LaunchWay::Wrapper {
        return None;
    }
    let message = "use_wrapper: false lets Salt run the command, and executor: local works without Salt: each run ends with 254; take the line out to run it by a wrapper";
    let mut problem = at(&job.source, Severity::Warning, message.to_owned());
    problem.job = Some(job.name.to_string());
    Some(problem)
}

fn at(source: &SourceRef, severity: Severity, message: String) -> Problem {
    Problem {
        file: Arc::clone(&source.file),
        line: source.line,
        column: source.column,
        severity,
        message,
        job: None,
    }
}

/// What is wrong with the executor that was chosen, where it was chosen.
fn executor(settings: &Settings, sources: &Sources) -> Option<Problem> {
    let (severity, message) = match settings.executor {
        Executor::Local if settings.local_machines.is_empty() => (
            Severity::Warning,
            "executor: local has no machines; list them under local_machines",
        ),
        Executor::SaltApi if settings.salt_api_url.is_none() => (
            Severity::Error,
            "executor: salt-api needs salt_api_url, such as https://salt.example.org:8000",
        ),
        Executor::Local | Executor::Auto | Executor::SaltApi | Executor::SaltCli => return None,
    };
    Some(at(sources.get("executor")?, severity, message.to_owned()))
}

/// A certificate without its key is of no use, nor the other way round.
fn certificates(settings: &Settings, sources: &Sources) -> Vec<Problem> {
    let pairs = [
        ("tls_cert", &settings.tls_cert, "tls_key", &settings.tls_key),
        (
            "machines_tls_cert",
            &settings.machines_tls_cert,
            "machines_tls_key",
            &settings.machines_tls_key,
        ),
    ];
    pairs
        .into_iter()
        .filter_map(|(cert, cert_file, key, key_file)| {
            let (there, absent) = match (cert_file, key_file) {
                (Some(_), None) => (cert, key),
                (None, Some(_)) => (key, cert),
                (Some(_), Some(_)) | (None, None) => return None,
            };
            let message = format!("{there}: needs {absent} beside it");
            Some(at(sources.get(there)?, Severity::Error, message))
        })
        .collect()
}

/// Why wrappers of the earlier implementation cannot be used, and what to do.
const REFUSED: &str = "of the earlier implementation, which speak no TLS and are refused here; set machines_ws_plaintext: allow under saltpeter_config, or use Saltpeter's own wrapper";

/// The wrapper of most jobs is one of the earlier implementation, as its name shows, where such wrappers are refused.
fn default_wrapper(settings: &Settings, sources: &Sources) -> Option<Problem> {
    let path = &settings.default_wrapper_path;
    if settings.machines_ws_plaintext == Plaintext::Allow || !has_extension(path, "py") {
        return None;
    }
    let message = format!("default_wrapper_path: {path} is one of the wrappers {REFUSED}");
    let source = sources.get("default_wrapper_path")?;
    Some(at(source, Severity::Warning, message))
}

/// The same of a job that has chosen such a wrapper itself, by its name or its protocol.
fn own_wrapper(settings: &Settings, job: &Job) -> Option<Problem> {
    if settings.machines_ws_plaintext == Plaintext::Allow || job.launch != LaunchWay::Wrapper {
        return None;
    }
    let why = match (job.wrapper_protocol, job.wrapper_path.as_deref()) {
        (WrapperProtocol::V1, _) => "wrapper_protocol: 1 is for wrappers".to_owned(),
        (WrapperProtocol::Auto, Some(path)) if has_extension(path, "py") => {
            format!("wrapper_path: {path} is one of the wrappers")
        }
        (WrapperProtocol::Auto | WrapperProtocol::V2, _) => return None,
    };
    let mut problem = at(&job.source, Severity::Warning, format!("{why} {REFUSED}"));
    problem.job = Some(job.name.to_string());
    Some(problem)
}

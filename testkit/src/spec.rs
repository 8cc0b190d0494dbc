//! Settings of a run.

use saltpeter_domain::job::{
    LaunchWay, Overlap, Timeout, WrapperLogLevel, WrapperProtocol, WrapperSettings,
};
use saltpeter_domain::{RunSpec, TargetExpr, TargetType};
use std::collections::BTreeMap;

/// A run of `true` on every machine, with no setting beside.
pub fn run_spec() -> RunSpec {
    RunSpec {
        group: "group".to_owned(),
        schedule: None,
        command: "true".to_owned(),
        targets: TargetExpr::parse(TargetType::Glob, "*").unwrap_or_else(|error| panic!("{error}")),
        number_of_targets: None,
        batch_size: None,
        max_failures: None,
        retry: None,
        timeout: Timeout::DEFAULT,
        cwd: None,
        user: None,
        env: BTreeMap::new(),
        env_marks: BTreeMap::new(),
        secrets: BTreeMap::new(),
        overlap: Overlap::Allow,
        launch: LaunchWay::Wrapper,
        wrapper: WrapperSettings {
            path: "saltpeter-wrapper".to_owned(),
            protocol: WrapperProtocol::Auto,
            loglevel: WrapperLogLevel::Normal,
            logdir: "/var/log/sp_wrapper".to_owned(),
            lockfile: None,
        },
        server_host: None,
    }
}

//! The ways to the lab's Salt, and what tests ask of it.

use saltpeter_domain::targeting::TargetType;
use saltpeter_protocol::MachineId;
use saltpeter_server::clock::SystemClock;
use saltpeter_server::salt::api::{Credentials, Password, SaltApi};
use saltpeter_server::salt::{Call, Called, Heard, Salt, Target};
use saltpeter_testkit::SaltLab;
use serde_json::{Map, Value};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// How long machines of the lab may take. More than they need, so that it decides in no test but those of silence.
pub(crate) const WAIT: Duration = Duration::from_secs(30);

/// A way to Salt.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Way {
    Api,
}

impl Way {
    /// The lab's Salt by this way.
    pub(crate) fn connect(self, lab: &SaltLab) -> Arc<dyn Salt> {
        match self {
            Self::Api => Arc::new(api(lab, credentials(lab))),
        }
    }
}

/// What the lab's user logs in with.
pub(crate) fn credentials(lab: &SaltLab) -> Credentials {
    let lab = lab.description();
    Credentials {
        user: lab.api_user.clone(),
        eauth: lab.api_eauth.clone(),
        password: Password::File(PathBuf::from(&lab.api_password_file)),
    }
}

/// The lab's salt-api.
pub(crate) fn api(lab: &SaltLab, credentials: Credentials) -> SaltApi {
    let url = &lab.description().api_url;
    SaltApi::new(url, credentials, None, Arc::new(SystemClock)).unwrap()
}

/// A call on the machines whose names match `glob`.
pub(crate) fn call(glob: &str, function: &'static str) -> Call {
    Call {
        target: Target {
            target_type: TargetType::Glob,
            text: glob.to_owned(),
        },
        function,
        args: Vec::new(),
        kwargs: Map::new(),
        jid: None,
        wait: WAIT,
    }
}

/// The same with arguments by name.
pub(crate) fn with(call: Call, kwargs: &Value) -> Call {
    let kwargs = kwargs.as_object().unwrap().clone();
    Call { kwargs, ..call }
}

/// The machines' names in order.
pub(crate) fn names(machines: &[MachineId]) -> Vec<String> {
    let mut names: Vec<String> = machines.iter().map(ToString::to_string).collect();
    names.sort();
    names
}

/// All that is heard of a call.
pub(crate) async fn returns(mut called: Called) -> Vec<Heard> {
    let mut heard = Vec::new();
    let all = async {
        while let Some(one) = called.returns.recv().await {
            heard.push(one);
        }
    };
    let limit = WAIT + Duration::from_secs(15);
    tokio::time::timeout(limit, all)
        .await
        .expect("the returns do not end");
    heard
}

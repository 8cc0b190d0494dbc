//! The global settings, `saltpeter_config`.

use super::sinks::SinkAccess;
use crate::access::oidc::OidcProvider;
use crate::job::WrapperLogLevel;
use crate::network::Network;
use crate::secret::Secret;
use chrono_tz::Tz;
use saltpeter_protocol::MachineId;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

/// The global settings with their defaults filled in. Which take effect at once and which need a restart
/// stands in [`keys`](crate::config::keys).
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Directory of the per-job text log files.
    pub logdir: String,
    /// Whether the server logs in detail.
    pub debug: bool,
    /// Whether the API and the dashboard are served.
    pub api_ws: bool,
    /// Port of the API and the dashboard.
    pub api_ws_port: u16,
    /// Address they listen on.
    pub api_ws_bind_addr: IpAddr,
    /// The proxy that vouches for people; `None`: there is none.
    pub auth_proxy: Option<AuthProxy>,
    /// The provider of `OpenID` Connect at which people log in; `None`: there is none.
    pub oidc: Option<OidcProvider>,
    /// Port that wrappers connect to.
    pub machines_ws_port: u16,
    /// Address it listens on.
    pub machines_ws_bind_addr: IpAddr,
    /// Port under which wrappers find it, where something stands in between; `None`: the port that it listens on.
    pub advertised_machines_port: Option<u16>,
    /// PEM file with the certificate of the API's port; `None`: it speaks no TLS.
    pub tls_cert: Option<String>,
    /// PEM file with the key of that certificate.
    pub tls_key: Option<String>,
    /// Whether the machines' port takes connections without TLS.
    pub machines_ws_plaintext: Plaintext,
    /// PEM file with a certificate of the machines' port that an authority has given; `None`: machines know it by the one
    /// that the server made itself.
    pub machines_tls_cert: Option<String>,
    /// PEM file with the key of that certificate.
    pub machines_tls_key: Option<String>,
    /// The host name under which wrappers find this server; `None`: this host's name.
    pub default_server_host: Option<String>,
    /// Path of the wrapper on the machines.
    pub default_wrapper_path: String,
    /// What wrappers log.
    pub default_wrapper_loglevel: WrapperLogLevel,
    /// Where they log.
    pub default_wrapper_logdir: String,
    /// Address of an Elasticsearch server, which may hold a password; `None`: none.
    pub elasticsearch: Option<Secret>,
    /// Prefix of its indices.
    pub elasticsearch_index: String,
    /// How it is reached.
    pub elasticsearch_access: SinkAccess,
    /// Address of an `OpenSearch` server, which may hold a password; `None`: none.
    pub opensearch: Option<Secret>,
    /// Prefix of its indices.
    pub opensearch_index: String,
    /// How it is reached.
    pub opensearch_access: SinkAccess,
    /// Bytes of documents that may wait on disk for each of the two.
    pub documents_spool: u64,
    /// Who starts commands on machines.
    pub executor: Executor,
    /// Whether machines that lack the server's wrapper are given it.
    pub distribute_wrapper: bool,
    /// Directory of the wrappers for other kinds of machines; `None`: the one beside the server is all.
    pub wrappers_dir: Option<String>,
    /// Salt's file root, where wrappers are offered to machines; `None`: they are handed over in calls.
    pub salt_file_root: Option<String>,
    /// Address of salt-api; `None`: there is none.
    pub salt_api_url: Option<String>,
    /// The user that salt-api knows this server as.
    pub salt_api_user: String,
    /// The kind of Salt's external authentication that knows the user.
    pub salt_api_eauth: String,
    /// File with the user's password; `None`: it is in the environment.
    pub salt_api_password_file: Option<String>,
    /// File of certificate authorities that salt-api's certificate may come from, besides the host's.
    pub salt_api_ca: Option<String>,
    /// Directory of the Salt master's configuration; `None`: where `SALT_CONFIG_DIR` says, else `/etc/salt`.
    pub salt_config_dir: Option<String>,
    /// The `salt` command: a path, or a name that is looked for in `PATH`.
    pub salt_command: String,
    /// The machines of the local executor with their grains.
    pub local_machines: BTreeMap<MachineId, Grains>,
    /// The zone of schedules that name none; `None`: the server's.
    pub timezone: Option<Tz>,
    /// Directory of the database and the output logs; `None`: the place that the server chooses.
    pub data_dir: Option<String>,
    /// How long a lost wrapper may stay away before its machine ends as lost.
    pub reconnect_grace: Duration,
    /// Days for which ended runs are kept; 0: for ever.
    pub retention_days: u32,
    /// How many days entries of the audit trail are kept; 0: for ever.
    pub audit_days: u32,
    /// Ended runs that are kept of each job; 0: all.
    pub retention_runs: u32,
    /// Bytes of output that are kept, of all jobs together; `None`: all.
    pub retention_output: Option<u64>,
    /// Bytes after which a job's log file is put aside and begun anew; `None`: never.
    pub logfile_size: Option<u64>,
    /// Log files of each job that are kept aside.
    pub logfile_count: u32,
    /// How late a start may be before it counts as missed.
    pub start_window: Duration,
    /// From how many machines on the dashboard asks before it runs a job.
    pub run_now_confirm_above: u32,
    /// Whether admins may change jobs from the dashboard.
    pub editor: bool,
}

/// A proxy that logs people in and names them in a header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthProxy {
    /// Where its requests come from. Whoever else sends the header is not believed.
    pub from: Vec<Network>,
    /// The header with the user's name, in lower case.
    pub header: String,
}

/// What is known of a machine: Salt's grains, or those written under `local_machines`. Always a JSON object.
pub type Grains = serde_json::Map<String, serde_json::Value>;

/// Bytes in a mebibyte.
pub(crate) const MIB: u64 = 1024 * 1024;

impl Default for Settings {
    fn default() -> Self {
        Self {
            logdir: "/var/log/saltpeter".to_owned(),
            debug: false,
            api_ws: true,
            api_ws_port: 8888,
            api_ws_bind_addr: IpAddr::from([127, 0, 0, 1]),
            auth_proxy: None,
            oidc: None,
            machines_ws_port: 8889,
            machines_ws_bind_addr: IpAddr::from([0, 0, 0, 0]),
            advertised_machines_port: None,
            tls_cert: None,
            tls_key: None,
            machines_ws_plaintext: Plaintext::Refuse,
            machines_tls_cert: None,
            machines_tls_key: None,
            default_server_host: None,
            default_wrapper_path: "/usr/local/bin/saltpeter-wrapper".to_owned(),
            default_wrapper_loglevel: WrapperLogLevel::Normal,
            default_wrapper_logdir: "/var/log/sp_wrapper".to_owned(),
            elasticsearch: None,
            elasticsearch_index: "saltpeter".to_owned(),
            elasticsearch_access: SinkAccess::default(),
            opensearch: None,
            opensearch_index: "saltpeter".to_owned(),
            opensearch_access: SinkAccess::default(),
            documents_spool: 256 * MIB,
            executor: Executor::Auto,
            distribute_wrapper: true,
            wrappers_dir: None,
            salt_file_root: None,
            salt_api_url: None,
            salt_api_user: "saltpeter".to_owned(),
            salt_api_eauth: "pam".to_owned(),
            salt_api_password_file: None,
            salt_api_ca: None,
            salt_config_dir: None,
            salt_command: "salt".to_owned(),
            local_machines: BTreeMap::new(),
            timezone: None,
            data_dir: None,
            reconnect_grace: Duration::from_mins(10),
            retention_days: 90,
            audit_days: 400,
            retention_runs: 10_000,
            retention_output: Some(10 * 1024 * MIB),
            logfile_size: Some(64 * MIB),
            logfile_count: 5,
            start_window: Duration::from_mins(1),
            run_now_confirm_above: 20,
            editor: true,
        }
    }
}

/// Whether wrappers may connect without TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Plaintext {
    /// They are told to use it.
    #[default]
    Refuse,
    /// They may, for those of the earlier implementation cannot do otherwise.
    Allow,
}

impl Plaintext {
    /// The word that stands for it in a file.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Refuse => "refuse",
            Self::Allow => "allow",
        }
    }
}

/// Who starts commands on machines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Executor {
    /// `salt-api` where `salt_api_url` is set, else `salt-cli` on a Salt master, else `local`.
    #[default]
    Auto,
    /// This host alone, one wrapper process for each of `local_machines`.
    Local,
    /// The Salt master on this host.
    SaltCli,
    /// Salt's REST service.
    SaltApi,
}

impl Executor {
    /// The word that stands for it in a file.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Local => "local",
            Self::SaltCli => "salt-cli",
            Self::SaltApi => "salt-api",
        }
    }
}

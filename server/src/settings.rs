//! The settings in force: what the files say, with the command line's flags on top.

use saltpeter_domain::config::keys::Effect;
use saltpeter_domain::{JobSet, Secret, Settings};
use saltpeter_protocol::api::{SettingEffect, SettingRow};
use std::net::IpAddr;
use std::path::PathBuf;

/// What the command line said. A flag beats the file.
#[derive(Debug, Clone, Default)]
pub struct Flags {
    /// `--logdir`
    pub logdir: Option<PathBuf>,
    /// `--data-dir`
    pub data_dir: Option<PathBuf>,
    /// `--api`
    pub api: bool,
    /// `--port`
    pub api_port: Option<u16>,
    /// `--bindaddr`
    pub api_addr: Option<IpAddr>,
    /// `--websocket-port`
    pub machines_port: Option<u16>,
    /// `--websocket-host`
    pub machines_addr: Option<IpAddr>,
    /// `--elasticsearch`
    pub elasticsearch: Option<String>,
    /// `--opensearch`
    pub opensearch: Option<String>,
    /// `--index`
    pub index: Option<String>,
}

impl Flags {
    /// The settings of the files with the flags on top.
    pub fn over(&self, files: &Settings) -> Settings {
        let mut settings = files.clone();
        if let Some(logdir) = &self.logdir {
            settings.logdir = logdir.to_string_lossy().into_owned();
        }
        if let Some(data_dir) = &self.data_dir {
            settings.data_dir = Some(data_dir.to_string_lossy().into_owned());
        }
        settings
            .data_dir
            .get_or_insert_with(|| default_data_dir().to_string_lossy().into_owned());
        settings.api_ws |= self.api;
        if let Some(port) = self.api_port {
            settings.api_ws_port = port;
        }
        if let Some(addr) = self.api_addr {
            settings.api_ws_bind_addr = addr;
        }
        if let Some(port) = self.machines_port {
            settings.machines_ws_port = port;
        }
        if let Some(addr) = self.machines_addr {
            settings.machines_ws_bind_addr = addr;
        }
        if let Some(url) = &self.elasticsearch {
            settings.elasticsearch = Some(Secret::new(url.clone()));
        }
        if let Some(url) = &self.opensearch {
            settings.opensearch = Some(Secret::new(url.clone()));
        }
        if let Some(index) = &self.index {
            settings.elasticsearch_index.clone_from(index);
            settings.opensearch_index.clone_from(index);
        }
        settings
    }

    /// Whether a flag decides the setting `key`.
    fn decides(&self, key: &str) -> bool {
        match key {
            "logdir" => self.logdir.is_some(),
            "data_dir" => self.data_dir.is_some(),
            "api_ws" => self.api,
            "api_ws_port" => self.api_port.is_some(),
            "api_ws_bind_addr" => self.api_addr.is_some(),
            "machines_ws_port" => self.machines_port.is_some(),
            "machines_ws_bind_addr" => self.machines_addr.is_some(),
            "elasticsearch" => self.elasticsearch.is_some(),
            "opensearch" => self.opensearch.is_some(),
            "elasticsearch_index" | "opensearch_index" => self.index.is_some(),
            _ => false,
        }
    }
}

/// The settings as they were at the start, which hold until the next start where they need one.
#[derive(Debug, Clone)]
pub struct InForce {
    flags: Flags,
    started_with: Settings,
}

impl InForce {
    /// The settings of a server that starts with these files and flags.
    pub fn new(flags: Flags, files: &Settings) -> Self {
        Self {
            started_with: flags.over(files),
            flags,
        }
    }

    /// What the server was started with.
    pub fn started_with(&self) -> &Settings {
        &self.started_with
    }

    /// Every setting as people are shown it; `jobs` is what the files say now.
    pub fn rows(&self, jobs: &JobSet) -> Vec<SettingRow> {
        let now = self.flags.over(&jobs.settings).shown();
        let before = self.started_with.shown();
        now.into_iter()
            .zip(before)
            .map(|(now, before)| SettingRow {
                key: now.key.to_owned(),
                source: if self.flags.decides(now.key) {
                    "flag".to_owned()
                } else if let Some(source) = jobs.settings_sources.get(now.key) {
                    format!("{}:{}", source.file, source.line)
                } else {
                    "default".to_owned()
                },
                effect: match now.effect {
                    Effect::AtOnce => SettingEffect::AtOnce,
                    Effect::Restart if now.value == before.value => SettingEffect::Restart,
                    Effect::Restart => SettingEffect::RestartPending {
                        pending: now.value.clone(),
                    },
                },
                value: match now.effect {
                    Effect::AtOnce => now.value,
                    Effect::Restart => before.value,
                },
            })
            .collect()
    }

    /// The keys whose values in the files wait for the next start.
    pub fn pending(&self, jobs: &JobSet) -> Vec<String> {
        let rows = self.rows(jobs).into_iter();
        rows.filter(|row| matches!(row.effect, SettingEffect::RestartPending { .. }))
            .map(|row| row.key)
            .collect()
    }
}

/// Where the database and the output go when nothing says so: `/var/lib/saltpeter` for root, else
/// `~/.local/share/saltpeter`.
pub fn default_data_dir() -> PathBuf {
    let root = rustix::process::geteuid().is_root();
    match std::env::var_os("HOME") {
        Some(home) if !root => PathBuf::from(home).join(".local/share/saltpeter"),
        _ => PathBuf::from("/var/lib/saltpeter"),
    }
}

/// The zone of this host's clock; UTC where that cannot be told.
pub fn host_zone() -> chrono_tz::Tz {
    iana_time_zone::get_timezone()
        .ok()
        .and_then(|name| saltpeter_domain::schedule::parse_zone(&name).ok())
        .unwrap_or(chrono_tz::UTC)
}

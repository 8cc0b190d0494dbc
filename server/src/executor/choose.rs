//! Which way the settings lead to the machines.

use crate::clock::Clock;
use crate::salt::Salt;
use crate::salt::api::{Credentials, PASSWORD_VARIABLE, Password, SaltApi};
use crate::salt::cli::{SaltCli, find_command};
use anyhow::{Context as _, Result};
use saltpeter_domain::config::Executor as Wanted;
use saltpeter_domain::{Secret, Settings};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where the Salt master's configuration is by Salt's own default.
const CONFIG_DIR: &str = "/etc/salt";
/// The environment variable by which Salt is told another.
const CONFIG_DIR_VARIABLE: &str = "SALT_CONFIG_DIR";

/// A way to the machines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// This host alone.
    Local,
    /// The Salt master on this host.
    SaltCli,
    /// Salt's REST service.
    SaltApi,
}

/// A way, and why it was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// The way.
    pub way: Way,
    /// Why, as a sentence for the log and the Config page.
    pub reason: String,
}

/// Chooses for these settings, by what this host has where they leave it open.
pub fn choose(settings: &Settings) -> Choice {
    let (way, reason) = match (settings.executor, &settings.salt_api_url) {
        (Wanted::Local, _) => (Way::Local, "the settings say executor: local".to_owned()),
        (Wanted::SaltCli, _) => (
            Way::SaltCli,
            "the settings say executor: salt-cli".to_owned(),
        ),
        (Wanted::SaltApi, _) => (
            Way::SaltApi,
            "the settings say executor: salt-api".to_owned(),
        ),
        (Wanted::Auto, Some(url)) => (Way::SaltApi, format!("salt_api_url is {url}")),
        (Wanted::Auto, None) => by_host(settings),
    };
    Choice { way, reason }
}

fn by_host(settings: &Settings) -> (Way, String) {
    let master = config_dir(settings).join("master");
    let command = &settings.salt_command;
    let shown = master.display();
    if !master.is_file() {
        let reason = format!("salt_api_url is not set, and there is no Salt master's {shown}");
        return (Way::Local, reason);
    }
    match find_command(command) {
        Some(path) => {
            let path = path.display();
            (Way::SaltCli, format!("there are {shown} and {path}"))
        }
        None => (
            Way::Local,
            format!(
                "there is {shown}, but no command {command}; name the master's in salt_command"
            ),
        ),
    }
}

/// Connects to Salt by the way that was chosen; `None` where it is not Salt. Nothing is asked of Salt yet.
pub fn connect(
    way: Way,
    settings: &Settings,
    clock: Arc<dyn Clock>,
) -> Result<Option<Arc<dyn Salt>>> {
    let salt: Arc<dyn Salt> = match way {
        Way::Local => return Ok(None),
        Way::SaltCli => Arc::new(SaltCli::new(
            &config_dir(settings),
            &settings.salt_command,
            clock,
        )?),
        Way::SaltApi => {
            let url = settings.salt_api_url.as_deref().context(
                "executor: salt-api needs salt_api_url, such as https://salt.example.org:8000",
            )?;
            let credentials = Credentials {
                user: settings.salt_api_user.clone(),
                eauth: settings.salt_api_eauth.clone(),
                password: password(settings)?,
            };
            let ca = settings.salt_api_ca.as_deref().map(Path::new);
            Arc::new(SaltApi::new(url, credentials, ca, clock)?)
        }
    };
    Ok(Some(salt))
}

fn config_dir(settings: &Settings) -> PathBuf {
    let told = settings.salt_config_dir.clone().map(PathBuf::from);
    told.or_else(|| std::env::var_os(CONFIG_DIR_VARIABLE).map(PathBuf::from))
        .unwrap_or_else(|| PathBuf::from(CONFIG_DIR))
}

fn password(settings: &Settings) -> Result<Password> {
    if let Some(path) = &settings.salt_api_password_file {
        return Ok(Password::File(PathBuf::from(path)));
    }
    let text = std::env::var(PASSWORD_VARIABLE).with_context(|| {
        format!("salt-api needs a password: name a file with it in salt_api_password_file, or put it into the environment variable {PASSWORD_VARIABLE}")
    })?;
    Ok(Password::Given(Secret::new(text)))
}

#[cfg(test)]
mod tests {
    use super::{Choice, Way, choose};
    use saltpeter_domain::Settings;
    use saltpeter_domain::config::Executor;

    /// Settings that find neither Salt's configuration nor its command, whatever the host has.
    fn bare(directory: &tempfile::TempDir) -> Settings {
        let path = |name| directory.path().join(name).to_string_lossy().into_owned();
        Settings {
            salt_config_dir: Some(path("etc")),
            salt_command: path("salt"),
            ..Settings::default()
        }
    }

    fn way(settings: &Settings) -> Way {
        choose(settings).way
    }

    #[test]
    fn what_is_written_is_taken() {
        let directory = tempfile::tempdir().unwrap();
        let cases = [
            (Executor::Local, Way::Local),
            (Executor::SaltCli, Way::SaltCli),
            (Executor::SaltApi, Way::SaltApi),
        ];
        for (executor, expected) in cases {
            let settings = Settings {
                executor,
                salt_api_url: Some("http://salt:8000".to_owned()),
                ..bare(&directory)
            };
            assert_eq!(way(&settings), expected);
        }
    }

    #[test]
    fn auto_takes_the_api_then_the_master_then_this_host() {
        let directory = tempfile::tempdir().unwrap();
        let settings = bare(&directory);
        assert_eq!(way(&settings), Way::Local);

        std::fs::create_dir(directory.path().join("etc")).unwrap();
        std::fs::write(directory.path().join("etc/master"), "").unwrap();
        let Choice { way: local, reason } = choose(&settings);
        assert_eq!(local, Way::Local);
        assert!(reason.contains("salt_command"), "{reason}");

        std::fs::write(directory.path().join("salt"), "").unwrap();
        assert_eq!(way(&settings), Way::SaltCli);

        let with_url = Settings {
            salt_api_url: Some("http://salt:8000".to_owned()),
            ..settings
        };
        assert_eq!(way(&with_url), Way::SaltApi);
    }
}

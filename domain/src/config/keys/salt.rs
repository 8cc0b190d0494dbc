//! The keys of `saltpeter_config` that say where Salt is.

use super::Effect::Restart;
use super::Key;
use super::documents::read_url;
use super::plain::{optional_word, setting, word};
use crate::config::raw::Node;
use crate::config::reader::Reader;
use crate::config::settings::Settings;

pub(super) const API_URL: Key<Settings> = setting(
    "salt_api_url",
    "URL",
    "none",
    Restart,
    "Address of salt-api (`rest_cherrypy`). It needs `netapi_enable_clients: [local_async, runner]` in the Salt master's configuration.",
    |settings, node, reader| {
        settings.salt_api_url = read_service(node, reader);
    },
    |settings| settings.salt_api_url.clone().unwrap_or_default(),
);

pub(super) const API_USER: Key<Settings> = word!(
    "salt_api_user",
    "string",
    "`saltpeter`",
    Restart,
    "The user that Salt's `external_auth` permits to call functions, and the runner `jobs.list_job`.",
    salt_api_user
);

pub(super) const API_EAUTH: Key<Settings> = word!(
    "salt_api_eauth",
    "string",
    "`pam`",
    Restart,
    "The kind of external authentication that knows the user, such as `pam`, `ldap`, `sharedsecret`.",
    salt_api_eauth
);

pub(super) const API_PASSWORD_FILE: Key<Settings> = optional_word!(
    "salt_api_password_file",
    "path",
    "none",
    Restart,
    "File with the user's password, read at each login. Without it the environment variable `SALTPETER_SALT_API_PASSWORD` has it.",
    salt_api_password_file
);

pub(super) const API_CA: Key<Settings> = optional_word!(
    "salt_api_ca",
    "path",
    "none",
    Restart,
    "File of certificate authorities in PEM form that salt-api's certificate may come from, besides the host's.",
    salt_api_ca
);

pub(super) const CONFIG_DIR: Key<Settings> = optional_word!(
    "salt_config_dir",
    "path",
    "the environment's `SALT_CONFIG_DIR`, else `/etc/salt`",
    Restart,
    "Directory of the Salt master's configuration, for `salt-cli`.",
    salt_config_dir
);

pub(super) const COMMAND: Key<Settings> = word!(
    "salt_command",
    "string",
    "`salt`",
    Restart,
    "The `salt` command of the master's installation, for `salt-cli`: a path, or a name in `PATH`.",
    salt_command
);

/// The address of a service whose credentials stand elsewhere.
fn read_service(node: &Node, reader: &mut Reader) -> Option<String> {
    let url = read_url(node, reader)?;
    let has_credentials = url
        .expose()
        .split_once("://")
        .and_then(|(_, rest)| rest.split('/').next())
        .is_some_and(|authority| authority.contains('@'));
    if has_credentials {
        reader.error(
            &node.place,
            "salt_api_url: expected an address without user and password in it; salt_api_user and salt_api_password_file are for them",
        );
        return None;
    }
    Some(url.expose().to_owned())
}

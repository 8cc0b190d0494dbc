//! The keys of `saltpeter_config` that say where Salt is.

use super::Effect::Restart;
use super::Key;
use super::settings::{read_url, set, setting};
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

pub(super) const API_USER: Key<Settings> = setting(
    "salt_api_user",
    "string",
    "`saltpeter`",
    Restart,
    "The user that Salt's `external_auth` permits to call functions, and the runner `jobs.list_job`.",
    |settings, node, reader| {
        set(&mut settings.salt_api_user, reader.word(node));
    },
    |settings| settings.salt_api_user.clone(),
);

pub(super) const API_EAUTH: Key<Settings> = setting(
    "salt_api_eauth",
    "string",
    "`pam`",
    Restart,
    "The kind of external authentication that knows the user, such as `pam`, `ldap`, `sharedsecret`.",
    |settings, node, reader| {
        set(&mut settings.salt_api_eauth, reader.word(node));
    },
    |settings| settings.salt_api_eauth.clone(),
);

pub(super) const API_PASSWORD_FILE: Key<Settings> = setting(
    "salt_api_password_file",
    "path",
    "none",
    Restart,
    "File with the user's password, read at each login. Without it the environment variable `SALTPETER_SALT_API_PASSWORD` has it.",
    |settings, node, reader| {
        settings.salt_api_password_file = reader.word(node);
    },
    |settings| settings.salt_api_password_file.clone().unwrap_or_default(),
);

pub(super) const API_CA: Key<Settings> = setting(
    "salt_api_ca",
    "path",
    "none",
    Restart,
    "File of certificate authorities in PEM form that salt-api's certificate may come from, besides the host's.",
    |settings, node, reader| {
        settings.salt_api_ca = reader.word(node);
    },
    |settings| settings.salt_api_ca.clone().unwrap_or_default(),
);

pub(super) const CONFIG_DIR: Key<Settings> = setting(
    "salt_config_dir",
    "path",
    "the environment's `SALT_CONFIG_DIR`, else `/etc/salt`",
    Restart,
    "Directory of the Salt master's configuration, for `salt-cli`.",
    |settings, node, reader| {
        settings.salt_config_dir = reader.word(node);
    },
    |settings| settings.salt_config_dir.clone().unwrap_or_default(),
);

pub(super) const COMMAND: Key<Settings> = setting(
    "salt_command",
    "string",
    "`salt`",
    Restart,
    "The `salt` command of the master's installation, for `salt-cli`: a path, or a name in `PATH`.",
    |settings, node, reader| {
        set(&mut settings.salt_command, reader.word(node));
    },
    |settings| settings.salt_command.clone(),
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

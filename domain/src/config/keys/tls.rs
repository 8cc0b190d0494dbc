//! The keys of `saltpeter_config` that say how the ports are protected.

use super::Effect::Restart;
use super::Key;
use super::plain::{optional_word, set, setting};
use crate::config::settings::{Plaintext, Settings};

const WORDS: [(&str, Plaintext); 2] = [("refuse", Plaintext::Refuse), ("allow", Plaintext::Allow)];

pub(super) const API_CERT: Key<Settings> = optional_word!(
    "tls_cert",
    "path",
    "none: the port speaks plain HTTP",
    Restart,
    "PEM file with the certificate of the dashboard and the API, and those that lead to its authority; they are then served over HTTPS. A renewed file is used from the next connection on, without a restart.",
    tls_cert
);

pub(super) const API_KEY: Key<Settings> = optional_word!(
    "tls_key",
    "path",
    "none",
    Restart,
    "PEM file with the private key of `tls_cert`.",
    tls_key
);

pub(super) const PLAINTEXT: Key<Settings> = setting(
    "machines_ws_plaintext",
    "`refuse`, `allow`",
    "`refuse`",
    Restart,
    "Whether wrappers may connect without TLS. Those of the earlier implementation speak none, so they need `allow`; anybody on the way can then read and change what they say. Wrappers that speak TLS use it in either case.",
    |settings, node, reader| {
        set(
            &mut settings.machines_ws_plaintext,
            reader.choice(node, &WORDS),
        );
    },
    |settings| settings.machines_ws_plaintext.as_str().to_owned(),
);

pub(super) const CERT: Key<Settings> = optional_word!(
    "machines_tls_cert",
    "path",
    "a certificate that the server makes itself",
    Restart,
    "PEM file with a certificate for `default_saltpeter_server_host` and those that lead to its authority. Wrappers then ask their machine's authorities; without it they are told which certificate the server has made. A renewed file is used from the next connection on, without a restart.",
    machines_tls_cert
);

pub(super) const KEY: Key<Settings> = optional_word!(
    "machines_tls_key",
    "path",
    "none",
    Restart,
    "PEM file with the private key of `machines_tls_cert`.",
    machines_tls_key
);

//! The keys of `saltpeter_config` that say how the machines' port is protected.

use super::Effect::Restart;
use super::Key;
use super::settings::{set, setting};
use crate::config::settings::{Plaintext, Settings};

const WORDS: [(&str, Plaintext); 2] = [("refuse", Plaintext::Refuse), ("allow", Plaintext::Allow)];

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

pub(super) const CERT: Key<Settings> = setting(
    "machines_tls_cert",
    "path",
    "a certificate that the server makes itself",
    Restart,
    "PEM file with a certificate for `default_saltpeter_server_host` and those that lead to its authority. Wrappers then ask their machine's authorities; without it they are told which certificate the server has made. A renewed file is used from the next connection on, without a restart.",
    |settings, node, reader| {
        settings.machines_tls_cert = reader.word(node);
    },
    |settings| settings.machines_tls_cert.clone().unwrap_or_default(),
);

pub(super) const KEY: Key<Settings> = setting(
    "machines_tls_key",
    "path",
    "none",
    Restart,
    "PEM file with the private key of `machines_tls_cert`.",
    |settings, node, reader| {
        settings.machines_tls_key = reader.word(node);
    },
    |settings| settings.machines_tls_key.clone().unwrap_or_default(),
);

//! Settings of the usual shapes, each in one line of its table: how a value is read into its field, and shown again.

use super::{Effect, Key, key};
use crate::config::raw::Node;
use crate::config::reader::Reader;
use crate::config::settings::Settings;

/// Puts a value that was read well into its place.
pub(super) fn set<T>(slot: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *slot = value;
    }
}

pub(super) const fn setting(
    name: &'static str,
    kind: &'static str,
    default: &'static str,
    effect: Effect,
    meaning: &'static str,
    read: fn(&mut Settings, &Node, &mut Reader),
    show: fn(&Settings) -> String,
) -> Key<Settings> {
    let plain = key(name, kind, default, effect, meaning, read);
    Key {
        info: plain.info,
        read: plain.read,
        show: Some(show),
    }
}

/// A setting whose field has the value itself, by the reader's function of this name.
macro_rules! value {
    ($read:ident: $name:expr, $kind:expr, $default:expr, $effect:expr, $meaning:expr, $($field:ident).+) => {
        crate::config::keys::plain::setting(
            $name,
            $kind,
            $default,
            $effect,
            $meaning,
            |settings, node, reader| {
                crate::config::keys::plain::set(&mut settings.$($field).+, reader.$read(node));
            },
            |settings| settings.$($field).+.to_string(),
        )
    };
}

/// Words that are always there.
macro_rules! word {
    ($($of:tt)*) => { crate::config::keys::plain::value!(word: $($of)*) };
}

/// True or false.
macro_rules! flag {
    ($($of:tt)*) => { crate::config::keys::plain::value!(bool: $($of)*) };
}

/// A TCP port.
macro_rules! port {
    ($($of:tt)*) => { crate::config::keys::plain::value!(port: $($of)*) };
}

/// Words that may be missing, such as a path.
macro_rules! optional_word {
    ($name:expr, $kind:expr, $default:expr, $effect:expr, $meaning:expr, $($field:ident).+) => {
        crate::config::keys::plain::setting(
            $name,
            $kind,
            $default,
            $effect,
            $meaning,
            |settings, node, reader| {
                settings.$($field).+ = reader.word(node);
            },
            |settings| settings.$($field).+.clone().unwrap_or_default(),
        )
    };
}

/// A length of time in whole seconds.
macro_rules! seconds {
    ($name:expr, $kind:expr, $default:expr, $effect:expr, $meaning:expr, $($field:ident).+) => {
        crate::config::keys::plain::setting(
            $name,
            $kind,
            $default,
            $effect,
            $meaning,
            |settings, node, reader| {
                crate::config::keys::plain::set(&mut settings.$($field).+, reader.seconds(node));
            },
            |settings| settings.$($field).+.as_secs().to_string(),
        )
    };
}

pub(super) use {flag, optional_word, port, seconds, value, word};

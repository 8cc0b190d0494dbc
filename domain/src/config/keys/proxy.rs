//! The value of `auth_proxy`: which proxy is believed, and which of its headers.

use crate::config::raw::{Node, Value};
use crate::config::reader::Reader;
use crate::config::settings::{AuthProxy, Settings};
use crate::network::Network;

/// Headers that mean something else already.
const TAKEN: [&str; 4] = ["authorization", "cookie", "host", "origin"];

pub(super) fn show_proxy(settings: &Settings) -> String {
    settings
        .auth_proxy
        .as_ref()
        .map_or_else(String::new, |proxy| {
            let from: Vec<String> = proxy.from.iter().map(Network::to_string).collect();
            format!("{} from {}", proxy.header, from.join(", "))
        })
}

pub(super) fn read_proxy(settings: &mut Settings, node: &Node, reader: &mut Reader) {
    const WHAT: &str = "a mapping of `from`, a list of addresses, and `header`, a name";
    // What is wrong with it must not leave an earlier one in force.
    settings.auth_proxy = None;
    let Value::Map(entries) = &node.value else {
        reader.expected(node, WHAT);
        return;
    };
    let (mut from, mut header) = (Vec::new(), None);
    for entry in entries {
        match entry.key.as_str() {
            "from" => {
                let texts = reader.texts(&entry.value, "a list of addresses and networks");
                for (text, place) in texts.unwrap_or_default() {
                    match Network::parse(&text) {
                        Ok(network) => from.push(network),
                        Err(error) => reader.error(place, format!("auth_proxy.from: {error}")),
                    }
                }
            }
            "header" => header = read_header(&entry.value, reader),
            other => {
                let message =
                    format!("auth_proxy: there is no key {other:?}; it has `from` and `header`");
                reader.error(&entry.key_place, message);
            }
        }
    }
    match header {
        Some(header) if !from.is_empty() => settings.auth_proxy = Some(AuthProxy { from, header }),
        _ => reader.error(
            &node.place,
            "auth_proxy: needs both `from`, the proxy's addresses, and `header`, the one with the user's name",
        ),
    }
}

fn read_header(node: &Node, reader: &mut Reader) -> Option<String> {
    let text = reader.word(node)?.to_ascii_lowercase();
    let is_name = text
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if !is_name || TAKEN.contains(&text.as_str()) {
        let message = format!(
            "auth_proxy.header: {text:?} cannot be the header with the user's name; take one such as X-Remote-User"
        );
        reader.error(&node.place, message);
        return None;
    }
    Some(text)
}

//! The keys of `saltpeter_config` for documents, which go to Elasticsearch and `OpenSearch` alike.

use super::Effect::Restart;
use super::Key;
use super::plain::{optional_word, set, setting};
use crate::config::raw::Node;
use crate::config::reader::Reader;
use crate::config::settings::{MIB, Settings};
use crate::config::sinks::{check_index, cluster_url};
use crate::secret::Secret;

/// The keys of a kind of cluster: their prefix, its name, and the fields with its address, index and access.
macro_rules! cluster {
    ($module:ident, $prefix:literal, $name:literal, $address:ident, $index:ident, $access:ident) => {
        pub(super) mod $module {
            use super::super::Effect::Restart;
            use super::super::Key;
            use super::super::plain::{flag, optional_word, set, setting};
            use super::{read_index, read_url};
            use crate::config::settings::Settings;
            use crate::secret::Secret;

            pub(in super::super) const ADDRESS: Key<Settings> = setting(
                $prefix,
                "URL",
                "none",
                Restart,
                concat!("Address of the ", $name, " server that gets a document for each event."),
                |settings, node, reader| {
                    settings.$address = read_url(node, reader);
                },
                |settings| settings.$address.as_ref().map_or("", Secret::expose).to_owned(),
            );

            pub(in super::super) const INDEX: Key<Settings> = setting(
                concat!($prefix, "_index"),
                "string",
                "`saltpeter`",
                Restart,
                "Prefix of its indices, which are named `<prefix>-YYYY.MM.DD`.",
                |settings, node, reader| {
                    set(&mut settings.$index, read_index(node, reader));
                },
                |settings| settings.$index.clone(),
            );

            pub(in super::super) const CA: Key<Settings> = optional_word!(
                concat!($prefix, "_ca"),
                "string",
                "the host's authorities",
                Restart,
                "A PEM file of the authority that signed its certificate.",
                $access.ca
            );

            pub(in super::super) const TEMPLATE: Key<Settings> = flag!(
                concat!($prefix, "_template"),
                "bool",
                "`false`",
                Restart,
                "Whether the index template `<prefix>` is created there when there is none of that name.",
                $access.template
            );
        }
    };
}

cluster!(
    elasticsearch,
    "elasticsearch",
    "Elasticsearch",
    elasticsearch,
    elasticsearch_index,
    elasticsearch_access
);
cluster!(
    opensearch,
    "opensearch",
    "OpenSearch",
    opensearch,
    opensearch_index,
    opensearch_access
);

pub(super) const ELASTICSEARCH_API_KEY_FILE: Key<Settings> = optional_word!(
    "elasticsearch_api_key_file",
    "string",
    "none",
    Restart,
    "A file with an API key (base64, as Elasticsearch hands it out), used in place of a password in the address.",
    elasticsearch_access.api_key_file
);

pub(super) const SPOOL: Key<Settings> = setting(
    "documents_spool",
    "MiB",
    "`256`",
    Restart,
    "How much may wait on disk for a cluster that is away. What comes then is dropped, counted and shown.",
    |settings, node, reader| {
        let mib = reader.count(node).map(u64::from);
        set(&mut settings.documents_spool, mib.map(|mib| mib * MIB));
    },
    |settings| (settings.documents_spool / MIB).to_string(),
);

pub(super) fn read_url(node: &Node, reader: &mut Reader) -> Option<Secret> {
    // Not `expected`: the address may have a password in it, and messages are shown to everybody.
    let text = reader.text(node)?;
    // The way the earlier implementation has of writing: none.
    if text.trim().is_empty() {
        return None;
    }
    cluster_url(&text)
        .map(Secret::new)
        .map_err(|problem| reader.error(&node.place, problem))
        .ok()
}

fn read_index(node: &Node, reader: &mut Reader) -> Option<String> {
    let prefix = reader.word(node)?;
    check_index(&prefix)
        .map_err(|problem| reader.error(&node.place, problem))
        .is_ok()
        .then_some(prefix)
}

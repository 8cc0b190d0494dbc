//! The words that keys take, and what they stand for.

use crate::config::raw::Node;
use crate::config::reader::Reader;
use crate::job::{MissedPolicy, Overlap, WrapperLogLevel, WrapperProtocol};
use crate::retry::Backoff;
use crate::schedule::parse_zone;
use crate::targeting::TargetType;
use chrono_tz::Tz;

/// The words of `wrapper_loglevel`.
pub(super) const LOG_LEVELS: [(&str, WrapperLogLevel); 3] = [
    ("normal", WrapperLogLevel::Normal),
    ("debug", WrapperLogLevel::Debug),
    ("off", WrapperLogLevel::Off),
];

/// The words of `wrapper_protocol`.
pub(super) const PROTOCOLS: [(&str, WrapperProtocol); 3] = [
    ("auto", WrapperProtocol::Auto),
    ("1", WrapperProtocol::V1),
    ("2", WrapperProtocol::V2),
];

/// The words of `overlap`.
pub(super) const OVERLAPS: [(&str, Overlap); 4] = [
    ("skip", Overlap::Skip),
    ("queue", Overlap::Queue),
    ("allow", Overlap::Allow),
    ("replace", Overlap::Replace),
];

/// The words of `retry_backoff`.
pub(super) const BACKOFFS: [(&str, Backoff); 2] = [
    ("fixed", Backoff::Fixed),
    ("exponential", Backoff::Exponential),
];

/// The words of `missed`.
pub(super) const MISSED_POLICIES: [(&str, MissedPolicy); 3] = [
    ("skip", MissedPolicy::Skip),
    ("once", MissedPolicy::Once),
    ("all", MissedPolicy::All),
];

/// The words of `target_type`.
pub(super) const TARGET_TYPES: [(&str, TargetType); 9] = [
    ("glob", TargetType::Glob),
    ("pcre", TargetType::Pcre),
    ("list", TargetType::List),
    ("grain", TargetType::Grain),
    ("grain_pcre", TargetType::GrainPcre),
    ("pillar", TargetType::Pillar),
    ("nodegroup", TargetType::Nodegroup),
    ("ipcidr", TargetType::IpCidr),
    ("compound", TargetType::Compound),
];

/// The name of a time zone.
pub(super) fn read_zone(node: &Node, reader: &mut Reader) -> Option<Tz> {
    let name = reader.word(node)?;
    match parse_zone(&name) {
        Ok(zone) => Some(zone),
        Err(message) => {
            reader.error(&node.place, format!("timezone: {message}"));
            None
        }
    }
}

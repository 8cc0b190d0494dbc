//! What a list is asked by, as it stands in the address: pairs of a name and a value. The server reads and checks them.

use crate::pages::jobs::query::unescape;
use crate::routes::escape;
use leptos::prelude::*;
use leptos_router::hooks::use_location;

/// The pairs, each name once.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Asked(Vec<(String, String)>);

/// What the page at `path` is asked, as the address says it. While one leaves the page it stays what it was: what the next
/// one is asked is not for this one.
pub(crate) fn asked_of(path: &'static str) -> Memo<Asked> {
    let location = use_location();
    Memo::new(move |before: Option<&Asked>| {
        let is_here = location
            .pathname
            .with(|here| here.trim_end_matches('/') == path);
        match before {
            Some(before) if !is_here => before.clone(),
            _ => location.search.with(|search| Asked::parse(search)),
        }
    })
}

impl Asked {
    /// Reads the query of an address, with or without its `?`. Empty values are left out.
    pub(crate) fn parse(search: &str) -> Self {
        let mut asked = Self::default();
        for pair in search.trim_start_matches('?').split('&') {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            asked = asked.with(&unescape(name), &unescape(value));
        }
        asked
    }

    /// The value of `name`; empty without one.
    pub(crate) fn get(&self, name: &str) -> &str {
        let pair = self.0.iter().find(|(other, _)| other == name);
        pair.map_or("", |(_, value)| value)
    }

    /// The same with another value; without one if it is empty.
    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.0.retain(|(other, _)| other != name);
        if !name.is_empty() && !value.is_empty() {
            self.0.push((name.to_owned(), value.to_owned()));
        }
        self
    }

    /// Whether nothing is asked for.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The pairs.
    pub(crate) fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The address of `path` with these pairs.
    pub(crate) fn address(&self, path: &str) -> String {
        let mut address = path.to_owned();
        for (i, (name, value)) in self.0.iter().enumerate() {
            address.push(if i == 0 { '?' } else { '&' });
            address.push_str(&escape(name));
            address.push('=');
            address.push_str(&escape(value));
        }
        address
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_and_written_back() {
        let asked = Asked::parse("?job=&machine=web%231+x&outcome=failed&machine=db1");
        assert_eq!(asked.get("machine"), "db1");
        assert_eq!(asked.get("job"), "");
        assert_eq!(asked.address("/runs"), "/runs?outcome=failed&machine=db1");
        let changed = asked.with("outcome", "").with("machine", "a b&c");
        assert_eq!(changed.address("/runs"), "/runs?machine=a%20b%26c");
        assert_eq!(Asked::parse("?").address("/runs"), "/runs");
        assert!(Asked::parse("").is_empty());
    }
}

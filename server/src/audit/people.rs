//! What people do, as entries of the trail.

use super::{Deed, Trail};
use crate::people::audit::{Audit, Entry, What};
use futures::future::BoxFuture;
use saltpeter_domain::audit::Kind;

impl Audit for Trail {
    fn record(&self, entry: Entry) -> BoxFuture<'_, ()> {
        Box::pin(Self::record(self, deed(entry)))
    }
}

fn deed(entry: Entry) -> Deed {
    let Entry { who, from, what } = entry;
    let mut values = None;
    let mut maintenance = None;
    let (kind, deed) = match what {
        What::LoggedIn => (Kind::Login, "logged in".to_owned()),
        What::LoginRefused(why) => (Kind::LoginRefused, format!("could not log in: {why}")),
        What::LoggedOut { everywhere: false } => (Kind::Logout, "logged out".to_owned()),
        What::LoggedOut { everywhere: true } => (Kind::Logout, "logged out everywhere".to_owned()),
        What::Denied(why) => (Kind::Denied, format!("was denied something: {why}")),
        What::Did(what) => (Kind::Action, what),
        What::Changed {
            what,
            before,
            after,
        } => {
            values = Some((before, after));
            (Kind::Change, format!("changed {what}"))
        }
        What::Maintained {
            file,
            before,
            after,
        } => {
            values = Some((before.to_string(), after.to_string()));
            maintenance = Some(after);
            (Kind::Change, format!("changed maintenance in {file}"))
        }
    };
    Deed {
        who,
        from: from.map(|address| address.to_string()),
        kind,
        deed,
        values,
        maintenance,
    }
}

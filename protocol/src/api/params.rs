//! How the parameters of an address are read: the same for every list, with the same refusals.

use super::{ApiError, ErrorCode};
use crate::time::UnixMillis;
use std::str::FromStr;

/// Characters of a wrong value that its refusal repeats.
const REPEATED: usize = 40;

/// A parameter that `Q` has: its name, and what takes its value or says what is wrong with it.
pub(super) type Param<Q> = (&'static str, fn(&mut Q, &str) -> Result<(), String>);

/// Gives a query its `parse`: each parameter's name, with what its value does to the query. A value that it cannot have is an
/// `Err` with what is wrong about it.
macro_rules! query {
    ($Query:ident, $what:literal, |$query:ident, $value:ident| { $($name:literal => $take:expr,)+ }) => {
        impl $Query {
            const PARAMS: &[$crate::api::params::Param<Self>] = &[$((
                $name,
                |$query: &mut Self, $value: &str| {
                    $take;
                    Ok(())
                },
            )),+];

            /// Reads the parameters of a request. An empty one counts as absent, as a form sends it.
            ///
            /// # Errors
            /// A name that there is none of, or a value that it cannot have; the message says which there are.
            pub fn parse<'a>(
                pairs: impl IntoIterator<Item = (&'a str, &'a str)>,
            ) -> Result<Self, $crate::api::ApiError> {
                $crate::api::params::read($what, Self::PARAMS, pairs)
            }
        }
    };
}
pub(super) use query;

/// Reads the parameters of a request. An empty one counts as absent, as a form sends it. `what` is asked for, for people.
///
/// # Errors
/// A name that is not among `params`, or a value that it cannot have; the message says which there are.
pub(super) fn read<'a, Q: Default>(
    what: &str,
    params: &[Param<Q>],
    pairs: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> Result<Q, ApiError> {
    let mut query = Q::default();
    for (name, value) in pairs {
        let value = value.trim();
        if value.is_empty() {
            continue;
        }
        let refuse = |message| ApiError::new(ErrorCode::BadRequest, message);
        let Some((_, take)) = params.iter().find(|(known, _)| *known == name) else {
            let known: Vec<_> = params.iter().map(|(known, _)| *known).collect();
            let (name, known) = (short(name), known.join(", "));
            return Err(refuse(format!(
                "{what}: there is no parameter {name:?}; there are {known}"
            )));
        };
        take(&mut query, value).map_err(|problem| refuse(format!("{name}: {problem}")))?;
    }
    Ok(query)
}

/// A name of something, which says itself what is wrong with it.
pub(super) fn name<T>(value: &str) -> Result<Option<T>, String>
where
    T: FromStr,
    T::Err: ToString,
{
    let name = value.parse::<T>();
    name.map(Some).map_err(|error: T::Err| error.to_string())
}

/// One of `all` by its word. What has none is what one gets without the parameter.
pub(super) fn word<T: Copy>(
    value: &str,
    all: &[T],
    as_str: fn(T) -> &'static str,
) -> Result<T, String> {
    let found = all.iter().copied().find(|one| as_str(*one) == value);
    found.ok_or_else(|| {
        let words = all.iter().map(|one| as_str(*one));
        let words: Vec<_> = words.filter(|word| !word.is_empty()).collect();
        format!("{:?} is none of {}", short(value), words.join(", "))
    })
}

/// A whole number.
pub(super) fn number<T: FromStr>(value: &str) -> Result<T, String> {
    value
        .parse()
        .map_err(|_| "a whole number is wanted".to_owned())
}

/// Milliseconds since 1970, or a date and time in UTC.
pub(super) fn time(value: &str) -> Result<Option<UnixMillis>, String> {
    UnixMillis::parse(value).map(Some).ok_or_else(|| {
        "a time is wanted, in UTC, such as 2026-11-28T14:05, or in milliseconds since 1970"
            .to_owned()
    })
}

fn short(text: &str) -> String {
    text.chars().take(REPEATED).collect()
}

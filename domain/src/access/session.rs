//! How long somebody stays logged in.

use saltpeter_protocol::UnixMillis;
use std::time::Duration;

/// A session that has not been used for this long is over. An open page of the dashboard uses it.
pub const IDLE: Duration = Duration::from_hours(12);
/// A session is over this long after the login, however much it is used.
pub const LONGEST: Duration = Duration::from_hours(7 * 24);
/// The same for those whom a provider lets in: what it says of them is asked again at each login.
pub const LONGEST_PROVIDED: Duration = Duration::from_hours(12);
/// How much later than at its last noted use a session is used until that is noted anew: not every request is a write.
pub const NOTED_EVERY: Duration = Duration::from_mins(1);

/// Whether a session of somebody who logged in at `created`, for `longest`, and was last noted at `seen`, is over.
pub fn is_over(created: UnixMillis, longest: Duration, seen: UnixMillis, now: UnixMillis) -> bool {
    now.since(created) >= longest || now.since(seen) >= IDLE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_ends_by_idleness_and_by_age() {
        let login = UnixMillis(1_700_000_000_000);
        let almost = |limit: Duration| limit.saturating_sub(Duration::from_millis(1));
        assert!(!is_over(login, LONGEST, login, login + almost(IDLE)));
        assert!(is_over(login, LONGEST, login, login + IDLE));
        let used = login + almost(LONGEST);
        assert!(!is_over(login, LONGEST, used, used));
        assert!(is_over(login, LONGEST, used, login + LONGEST));
        let soon = login + LONGEST_PROVIDED;
        assert!(is_over(login, LONGEST_PROVIDED, soon, soon));
        // A clock that is set back ends nobody's session.
        assert!(!is_over(login, LONGEST, login, login - LONGEST));
    }
}

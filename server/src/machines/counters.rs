//! What has come in on the machines port, counted.

use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// Counters since the start of the server. Reading them costs nobody anything.
        #[derive(Debug, Default)]
        pub struct Counters {
            $($(#[$doc])* pub $name: Counter,)*
        }

        impl Counters {
            /// All of them by name.
            pub fn all(&self) -> Vec<(&'static str, u64)> {
                vec![$((stringify!($name), self.$name.get()),)*]
            }
        }
    };
}

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// One more.
    pub fn add_one(&self) {
        self.add(1);
    }

    /// `n` more.
    pub fn add(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    /// The present count.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

counters! {
    /// Connections upgraded to version 1.
    accepted_v1,
    /// Connections upgraded to version 2.
    accepted_v2,
    /// Connections turned away because there were too many.
    refused_full,
    /// Wrappers whose token was missing or not the run's.
    refused_token,
    /// Wrappers that named a run or machine that is not known.
    refused_unknown,
    /// Wrappers that were told to leave because another one is the machine's, or its part is over.
    refused_leave,
    /// Connections that said no hello in time.
    refused_silent,
    /// Messages that are not of the protocol, or came out of turn.
    bad_messages,
    /// Frames above the limit, broken frames and lost connections.
    broken_connections,
    /// Connections closed after ten bad messages in a row.
    closed_bad,
    /// Connections closed because they did not read what they were sent.
    closed_slow,
    /// Messages of unknown type, ignored.
    unknown_messages,
    /// Output messages and frames.
    output_messages,
    /// Bytes of output as they came (compressed ones count compressed).
    output_bytes,
    /// Output that did not continue the log.
    out_of_order,
}

//! Which wrappers machines have, as they themselves say at hello. It is not kept: after a start of the server it is known
//! of a machine once something has run there.

use saltpeter_protocol::MachineId;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Machines of which it is known; of further ones it is not.
const MAX_MACHINES: usize = 20_000;
/// Characters of a version that are kept: a wrapper may say what it likes.
const MAX_VERSION: usize = 40;

/// What a wrapper of the earlier protocol counts as, which does not tell its version.
const EARLIER: &str = "earlier (protocol 1)";

/// The versions of the machines' wrappers. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Wrappers {
    known: Arc<Mutex<BTreeMap<MachineId, String>>>,
}

impl Wrappers {
    /// The version that the wrapper said which was last welcomed of `machine`.
    pub fn version(&self, machine: &MachineId) -> Option<String> {
        self.lock().get(machine).cloned()
    }

    pub(super) fn note(&self, machine: &MachineId, version: &str) {
        let version = version.chars().filter(|c| !c.is_control());
        let version: String = version.take(MAX_VERSION).collect();
        let mut known = self.lock();
        if known.len() < MAX_MACHINES || known.contains_key(machine) {
            known.insert(machine.clone(), version);
        }
    }

    pub(super) fn note_earlier(&self, machine: &MachineId) {
        self.note(machine, EARLIER);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<MachineId, String>> {
        // Nothing in here can stop halfway.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_word_counts_and_is_cut_to_what_fits() {
        let wrappers = Wrappers::default();
        let machine = MachineId::new("web1").unwrap();
        assert_eq!(wrappers.version(&machine), None);
        wrappers.note(&machine, "0.1.0");
        wrappers.note(&machine, &format!("0.2\n{}", "x".repeat(1000)));
        let version = wrappers.version(&machine).unwrap();
        assert!(version.starts_with("0.2xxx"), "{version}");
        assert_eq!(version.len(), MAX_VERSION);
    }
}

//! What Salt has just told pages about machines, so that pages that are opened one after the other, or by many people,
//! cost the master one ping.

use saltpeter_domain::TargetExpr;
use saltpeter_domain::targeting::TargetType;
use saltpeter_protocol::MachineId;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// How old an answer may be. A person who stops a machine and opens the page anew sees it.
const FRESH: Duration = Duration::from_secs(5);

/// The machines that match, and whether each has answered.
pub(super) type Machines = BTreeMap<MachineId, bool>;

/// The answers of the last few seconds.
#[derive(Debug, Default)]
pub(super) struct Recent {
    answers: Mutex<HashMap<Asked, (Instant, Machines)>>,
}

/// An expression, as far as Salt's answer depends on it.
type Asked = (TargetType, String);

impl Recent {
    /// What was answered to `targets`, unless that was too long before `now`.
    pub(super) fn get(&self, targets: &TargetExpr, now: Instant) -> Option<Machines> {
        let answers = self.answers();
        let (then, machines) = answers.get(&asked(targets))?;
        is_fresh(*then, now).then(|| machines.clone())
    }

    /// Keeps what was answered to `targets` at `now`; what is too old by then is forgotten.
    pub(super) fn keep(&self, targets: &TargetExpr, now: Instant, machines: Machines) {
        let mut answers = self.answers();
        answers.retain(|_, (then, _)| is_fresh(*then, now));
        answers.insert(asked(targets), (now, machines));
    }

    fn answers(&self) -> MutexGuard<'_, HashMap<Asked, (Instant, Machines)>> {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn asked(targets: &TargetExpr) -> Asked {
    (targets.target_type(), targets.text().to_owned())
}

fn is_fresh(then: Instant, now: Instant) -> bool {
    now.duration_since(then) < FRESH
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_serves_for_a_while_and_for_its_own_question() {
        let recent = Recent::default();
        let expr = |text| TargetExpr::parse(TargetType::Glob, text).unwrap();
        let now = Instant::now();
        let machines = Machines::from([(MachineId::new("web1").unwrap(), true)]);
        assert_eq!(recent.get(&expr("*"), now), None);
        recent.keep(&expr("*"), now, machines.clone());
        assert_eq!(recent.get(&expr("*"), now + FRESH / 2), Some(machines));
        assert_eq!(recent.get(&expr("web*"), now), None);
        assert_eq!(recent.get(&expr("*"), now + FRESH), None);
        recent.keep(&expr("web*"), now + FRESH, Machines::new());
        assert_eq!(recent.answers().len(), 1, "what is old takes no room");
    }
}

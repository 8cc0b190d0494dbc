//! The Salt lab for asynchronous tests. A test that finds no lab fails and says how to start one.

use anyhow::Result;
use saltpeter_salt_lab::{Api, Lab};
use serde_json::Value;
use std::path::Path;
use std::sync::Arc;

/// The lab that this test run has.
#[derive(Debug, Clone)]
pub struct SaltLab {
    lab: Arc<Lab>,
}

impl SaltLab {
    /// Finds it.
    pub fn find() -> Result<Self> {
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR"))
            .parent()
            .unwrap_or(Path::new("."));
        Ok(Self {
            lab: Arc::new(Lab::read(&Lab::place(workspace))?),
        })
    }

    /// What `lab.json` says.
    pub fn description(&self) -> &Lab {
        &self.lab
    }

    /// Ends a process (`master`, `api` or a minion) as a machine dies. It is started again when the guard is dropped,
    /// so that a test that fails leaves the lab whole; [`Stopped::start`] also waits until it is of use.
    pub async fn stop(&self, name: &str) -> Result<Stopped> {
        let owned = name.to_owned();
        self.blocking(move |lab| lab.kill(&owned)).await?;
        Ok(Stopped {
            lab: self.lab.clone(),
            name: name.to_owned(),
        })
    }

    /// Waits until these minions answer.
    pub async fn wait_for(&self, machines: &[&str]) -> Result<()> {
        let machines: Vec<String> = machines.iter().map(|m| (*m).to_owned()).collect();
        self.blocking(move |lab| {
            let machines: Vec<&str> = machines.iter().map(String::as_str).collect();
            lab.wait_for(&machines)
        })
        .await
    }

    /// Calls a function of Salt on a minion, past the server under test, and returns the function's value.
    pub async fn call(&self, machine: &str, function: &str, kwarg: Value) -> Result<Value> {
        let (machine, function) = (machine.to_owned(), function.to_owned());
        self.blocking(move |lab| {
            let mut api: Api = lab.api()?;
            Ok(api.call(&[&machine], &function, &kwarg)?[&machine].take())
        })
        .await
    }

    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Lab) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let lab = self.lab.clone();
        tokio::task::spawn_blocking(move || work(&lab)).await?
    }
}

/// A process of the lab that a test has ended.
#[derive(Debug)]
pub struct Stopped {
    lab: Arc<Lab>,
    name: String,
}

impl Stopped {
    /// Starts it again and waits until every minion answers.
    pub async fn start(self) -> Result<()> {
        let (lab, name) = (self.lab.clone(), self.name.clone());
        tokio::task::spawn_blocking(move || {
            lab.start(&name)?;
            let all: Vec<&str> = lab.minions.iter().map(String::as_str).collect();
            lab.wait_for(&all)
        })
        .await?
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        // One that runs is left alone. A failure shows in the next test, which waits for the machines it needs.
        let _ = self.lab.start(&self.name);
    }
}

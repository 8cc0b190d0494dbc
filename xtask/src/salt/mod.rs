//! A real Salt on this machine, for tests and the demo: master, minions and salt-api in the target directory.

mod files;
mod install;

pub(crate) use install::ensure;

use crate::workspace::Workspace;
use anyhow::{Context, Result, bail};
use files::Plan;
use saltpeter_salt_lab::{Lab, end_leftovers};
use std::fs::{self, File};
use std::path::PathBuf;
use std::time::Duration;

const HELP: &str = "\
Usage: cargo xtask salt up | down | status | start NAME | stop NAME

  up      install Salt where it is missing, start master, minions and salt-api, wait until all answer
  down    end all of them, and everything that they started
  status  who runs, and who answers
  start   start one process again: master, api, or a minion by its name
  stop    end one process at once (SIGKILL), as when a machine dies; the wrappers on it go on";

/// How long the processes have to end by themselves. Salt's own stop takes 10 s, for nothing that matters here.
const GRACE: Duration = Duration::from_secs(1);

/// `cargo xtask salt …`
pub(crate) fn salt(ws: &Workspace, args: &[String]) -> Result<()> {
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args.as_slice() {
        ["up"] => up(ws).map(|_| ()),
        ["down"] => down(ws),
        ["status"] => status(ws),
        ["start", name] => {
            let lab = Lab::read(&place(ws))?;
            lab.start(name)?;
            if lab.minions.iter().any(|minion| minion == name) {
                lab.wait_for(&[name])?;
            }
            println!("{name} runs.");
            Ok(())
        }
        ["stop", name] => {
            Lab::read(&place(ws))?.kill(name)?;
            println!("{name} was ended. cargo xtask salt start {name} brings it back.");
            Ok(())
        }
        _ => bail!(
            "cargo xtask salt does not take {:?}\n\n{HELP}",
            args.join(" ")
        ),
    }
}

/// Where the lab's description is.
pub(crate) fn place(ws: &Workspace) -> PathBuf {
    ws.target.join("salt/lab.json")
}

/// Whether a lab was there already.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Found {
    /// It ran.
    Running,
    /// It was started.
    Started,
}

/// Brings the lab up, unless it is.
pub(crate) fn up(ws: &Workspace) -> Result<Found> {
    let _one_at_a_time = lock(ws)?;
    if let Ok(lab) = Lab::read(&place(ws)) {
        if runs_whole(&lab)? {
            lab.wait_for(&names(&lab))?;
            println!("The Salt lab is up: {}", lab.api_url);
            return Ok(Found::Running);
        }
        eprintln!("The Salt lab is up in part; it is started anew.");
    }
    clear(ws)?;
    let venv = ensure(ws)?;
    let lab = Plan::new(ws, &venv)?.write()?;
    eprintln!(
        "salt: starting master, salt-api, {}",
        lab.minions.join(", ")
    );
    let started = start_all(&lab);
    if let Err(problem) = started {
        if let Err(also) = lab.end(GRACE) {
            eprintln!("warning: {also:#}");
        }
        return Err(problem);
    }
    // Last, so that whoever finds the description finds a lab that answers.
    lab.write(&place(ws))?;
    println!("The Salt lab is up: {}", lab.api_url);
    println!("Its description is {}.", place(ws).display());
    Ok(Found::Started)
}

/// Ends the lab, and whatever is left of one.
pub(crate) fn down(ws: &Workspace) -> Result<()> {
    let _one_at_a_time = lock(ws)?;
    clear(ws)?;
    println!("The Salt lab is down.");
    Ok(())
}

/// Ends every process and removes what they wrote; `salt/demo` is the demo's and stays.
fn clear(ws: &Workspace) -> Result<()> {
    let root = files::root(ws);
    let place = place(ws);
    if place.exists() {
        fs::remove_file(&place).with_context(|| format!("cannot remove {}", place.display()))?;
    }
    end_leftovers(&root, GRACE)?;
    files::remove(&root)
}

fn status(ws: &Workspace) -> Result<()> {
    let place = place(ws);
    if !place.exists() {
        println!("The Salt lab is down.");
        return Ok(());
    }
    let lab = Lab::read(&place)?;
    let silent = lab.api()?.ping(&names(&lab));
    for name in lab.processes.keys() {
        let runs = if lab.is_running(name)? {
            "runs"
        } else {
            "does not run"
        };
        let answers = match &silent {
            Ok(silent) if lab.minions.contains(name) && silent.contains(name) => {
                ", does not answer"
            }
            Ok(_) if lab.minions.contains(name) => ", answers",
            _ => "",
        };
        println!("{name:<8} {runs}{answers}");
    }
    match silent {
        Ok(_) => println!("salt-api answers on {}", lab.api_url),
        Err(problem) => println!("salt-api does not answer: {problem:#}"),
    }
    Ok(())
}

fn runs_whole(lab: &Lab) -> Result<bool> {
    for name in lab.processes.keys() {
        if !lab.is_running(name)? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn start_all(lab: &Lab) -> Result<()> {
    // A minion that finds no master waits long before it tries again.
    for name in ["master", "api"] {
        lab.start(name)?;
    }
    lab.wait_for(&[])?;
    lab.minions.iter().try_for_each(|name| lab.start(name))?;
    lab.wait_for(&names(lab))
}

fn names(lab: &Lab) -> Vec<&str> {
    lab.minions.iter().map(String::as_str).collect()
}

/// Two tasks must not start a lab in one directory at a time. Held until dropped.
fn lock(ws: &Workspace) -> Result<File> {
    fs::create_dir_all(&ws.target)?;
    let path = ws.target.join("salt.lock");
    let file = File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
    file.lock()
        .with_context(|| format!("cannot lock {}", path.display()))?;
    Ok(file)
}

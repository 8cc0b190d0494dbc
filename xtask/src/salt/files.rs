//! The files of the lab: where they are, and what is in them.

use crate::process::output;
use crate::workspace::Workspace;
use anyhow::{Context, Result, bail};
use saltpeter_salt_lab::{Lab, Process};
use serde_json::{Value, json};
use std::fs::{self, DirBuilder};
use std::io::Read as _;
use std::net::TcpListener;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

/// The minions with their grains.
const MINIONS: [(&str, &[&str], &str); 3] = [
    ("web1", &["webserver", "frontend"], "north"),
    ("web2", &["webserver"], "south"),
    ("db1", &["database"], "north"),
];

const USER: &str = "saltpeter";
const RESTRICTED_USER: &str = "restricted";

/// What a path of a unix socket may have at most, in bytes.
const SOCKET_LIMIT: usize = 107;
/// The longest path of a socket below the root.
const LONGEST_SOCKET: &str = "/master/sock/minion_event_0123456789_pub.ipc";

/// Where the lab keeps its files; `lab.json` and the demo's files stand beside it.
pub(super) fn root(ws: &Workspace) -> PathBuf {
    ws.target.join("salt/root")
}

/// Removes the files, and the short way to them where one was made.
pub(super) fn remove(root: &Path) -> Result<()> {
    let note = note_of_short(root);
    if let Ok(short) = fs::read_to_string(&note) {
        let short = Path::new(&short);
        // It lies in a directory for temporary files, where it may have been cleaned away.
        let _ = fs::remove_file(short);
        if let Some(directory) = short.parent() {
            let _ = fs::remove_dir(directory);
        }
        fs::remove_file(&note).with_context(|| format!("cannot remove {}", note.display()))?;
    }
    if root.exists() {
        fs::remove_dir_all(root).with_context(|| format!("cannot remove {}", root.display()))?;
    }
    Ok(())
}

fn note_of_short(root: &Path) -> PathBuf {
    root.with_extension("short")
}

/// A lab to be.
pub(super) struct Plan {
    /// The real root.
    root: PathBuf,
    /// The same by a path short enough for sockets.
    short: PathBuf,
    venv: PathBuf,
    publish: u16,
    returns: u16,
    api: u16,
    password: String,
    /// Whom Salt runs as: who calls this.
    user: String,
}

impl Plan {
    /// Chooses ports and a password.
    pub(super) fn new(ws: &Workspace, venv: &Path) -> Result<Self> {
        let root = root(ws);
        fs::create_dir_all(&root).with_context(|| format!("cannot make {}", root.display()))?;
        let short = short_way(&root)?;
        let [publish, returns, api] = free_ports()?;
        Ok(Self {
            root,
            short,
            venv: venv.to_owned(),
            publish,
            returns,
            api,
            password: format!("{:032x}", u128::from_le_bytes(random()?)),
            user: output(ws.command("id").arg("-un"))?,
        })
    }

    /// Writes every file that Salt reads, and returns the description of the lab.
    pub(super) fn write(&self) -> Result<Lab> {
        let root = &self.root;
        for directory in ["srv", "pillar", "master"] {
            fs::create_dir_all(root.join(directory))?;
        }
        let password_file = root.join("api-password");
        write(&password_file, &self.password, 0o600)?;
        let other_password = format!("{:032x}", u128::from_le_bytes(random()?));
        let other_password_file = root.join("api-other-password");
        write(&other_password_file, &other_password, 0o600)?;
        write(&self.users(), &format!("{USER}:{other_password}\n"), 0o600)?;
        // JSON is YAML.
        write_json(&root.join("master/master"), &self.master())?;
        for (name, roles, datacenter) in MINIONS {
            fs::create_dir_all(root.join(name))?;
            let text = self.minion(name, roles, datacenter);
            write_json(&root.join(name).join("minion"), &text)?;
        }
        write_json(
            &root.join("pillar/top.sls"),
            &json!({"base": {"web*": ["web"], "db*": ["db"]}}),
        )?;
        write_json(
            &root.join("pillar/web.sls"),
            &json!({"tier": "front", "service": {"port": 8080}}),
        )?;
        write_json(
            &root.join("pillar/db.sls"),
            &json!({"tier": "back", "service": {"port": 5432}}),
        )?;
        let old_wrapper = root.join("sp_wrapper");
        let script = format!(
            "#!/bin/sh\nexec '{}' -m saltpeter.wrapper\n",
            self.venv.join("bin/python").display()
        );
        write(&old_wrapper, &script, 0o755)?;
        Ok(Lab {
            root: root.clone(),
            config_dir: root.join("master"),
            salt: self.program("salt"),
            salt_run: self.program("salt-run"),
            python: self.program("python"),
            api_url: format!("http://127.0.0.1:{}", self.api),
            api_user: USER.into(),
            api_restricted_user: RESTRICTED_USER.into(),
            api_eauth: "sharedsecret".into(),
            api_password_file: password_file,
            api_other_password_file: other_password_file,
            minions: MINIONS.iter().map(|(name, ..)| (*name).into()).collect(),
            file_root: root.join("srv"),
            old_wrapper,
            processes: self.processes(),
        })
    }

    /// The users of the eauth `file`.
    fn users(&self) -> PathBuf {
        self.root.join("users")
    }

    fn program(&self, name: &str) -> PathBuf {
        self.venv.join("bin").join(name)
    }

    fn processes(&self) -> std::collections::BTreeMap<String, Process> {
        let process = |name: &str, program: &str, config: &str, pid_file: &str, more: &[&str]| {
            let mut command = vec![
                self.program(program).display().to_string(),
                "--config-dir".into(),
                self.root.join(config).display().to_string(),
            ];
            command.extend(more.iter().map(|arg| (*arg).to_owned()));
            let console = self.root.join(format!("{name}.console.log"));
            let process = Process {
                command,
                pid_files: ["", "process_responsibility_"]
                    .map(|prefix| self.root.join(config).join(format!("{prefix}{pid_file}")))
                    .into(),
                console,
            };
            (name.to_owned(), process)
        };
        let mut all = vec![
            process("master", "salt-master", "master", "master.pid", &[]),
            process("api", "salt-api", "master", "api.pid", &[]),
        ];
        for (name, ..) in MINIONS {
            // A minion that watches over itself would come back when it is stopped.
            all.push(process(
                name,
                "salt-minion",
                name,
                "minion.pid",
                &["--disable-keepalive"],
            ));
        }
        all.into_iter().collect()
    }

    fn master(&self) -> Value {
        json!({
            "user": self.user,
            "root_dir": self.short.join("master"),
            "interface": "127.0.0.1",
            "publish_port": self.publish,
            "ret_port": self.returns,
            "pki_dir": "/pki",
            "cachedir": "/cache",
            "sock_dir": "/sock",
            "token_dir": "/tokens",
            "sqlite_queue_dir": "/queues",
            "pidfile": "/master.pid",
            "log_file": "/log/master",
            "key_logfile": "/log/key",
            "auto_accept": true,
            "timeout": 5,
            "gather_job_timeout": 5,
            "file_roots": {"base": [self.root.join("srv")]},
            "pillar_roots": {"base": [self.root.join("pillar")]},
            "nodegroups": {"north": "G@datacenter:north", "front": "web1,web2"},
            "sharedsecret": self.password,
            "external_auth": {
                "sharedsecret": {
                    USER: [".*", "@runner", "@jobs"],
                    RESTRICTED_USER: ["test.ping"],
                },
                "file": {
                    "^filename": self.users(),
                    USER: [".*", "@runner", "@jobs"],
                },
            },
            "netapi_enable_clients": ["local", "local_async", "runner", "runner_async"],
            "rest_cherrypy": {"host": "127.0.0.1", "port": self.api, "disable_ssl": true},
            "api_pidfile": "/api.pid",
            "api_logfile": self.root.join("master/log/api"),
        })
    }

    fn minion(&self, name: &str, roles: &[&str], datacenter: &str) -> Value {
        let root = self.short.join(name);
        json!({
            "user": self.user,
            "id": name,
            "master": "127.0.0.1",
            "master_port": self.returns,
            "publish_port": self.publish,
            "root_dir": root,
            "pki_dir": "/pki",
            "cachedir": "/cache",
            "sock_dir": "/sock",
            "extension_modules": root.join("cache/extmods"),
            "pidfile": "/minion.pid",
            "log_file": "/log/minion",
            "acceptance_wait_time": 1,
            "enable_gpu_grains": false,
            "enable_fqdns_grains": false,
            "mine_enabled": false,
            "random_reauth_delay": 1,
            "recon_default": 100,
            "recon_max": 1000,
            "recon_randomize": false,
            "grains": {"roles": roles, "datacenter": datacenter},
        })
    }
}

/// The root itself where its sockets fit into the limit, else a link to it from a private directory with a short name.
fn short_way(root: &Path) -> Result<PathBuf> {
    if root.as_os_str().len() + LONGEST_SOCKET.len() <= SOCKET_LIMIT {
        return Ok(root.to_owned());
    }
    let directory =
        std::env::temp_dir().join(format!("saltpeter-{:08x}", u32::from_le_bytes(random()?)));
    DirBuilder::new()
        .mode(0o700)
        .create(&directory)
        .with_context(|| format!("cannot make {}", directory.display()))?;
    let link = directory.join("r");
    symlink(root, &link)?;
    write(&note_of_short(root), &link.display().to_string(), 0o600)?;
    Ok(link)
}

/// Three ports that nobody listens on, below those that the system gives to clients, so that none of them is
/// taken before Salt binds it.
fn free_ports() -> Result<[u16; 3]> {
    let mut found = Vec::new();
    for _ in 0..1000 {
        let port = 12_000 + u16::from_le_bytes(random()?) % 18_000;
        if !found.contains(&port) && TcpListener::bind(("127.0.0.1", port)).is_ok() {
            found.push(port);
        }
        if let &[first, second, third] = found.as_slice() {
            return Ok([first, second, third]);
        }
    }
    bail!("there are no free ports between 12000 and 30000")
}

fn random<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn write_json(path: &Path, value: &Value) -> Result<()> {
    write(path, &format!("{value:#}\n"), 0o600)
}

fn write(path: &Path, text: &str, mode: u32) -> Result<()> {
    fs::write(path, text)
        .and_then(|()| fs::set_permissions(path, fs::Permissions::from_mode(mode)))
        .with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_root_gets_a_short_way_that_leads_to_it_and_goes_with_it() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("l".repeat(120)).join("root");
        fs::create_dir_all(&root).unwrap();
        let short = short_way(&root).unwrap();
        assert!(short.as_os_str().len() + LONGEST_SOCKET.len() <= SOCKET_LIMIT);
        fs::write(short.join("file"), "").unwrap();
        assert!(root.join("file").exists());
        remove(&root).unwrap();
        assert!(!root.exists() && !short.exists() && !short.parent().unwrap().exists());
    }

    #[test]
    fn a_short_root_is_used_as_it_is() {
        let root = Path::new("/src/target/salt/root");
        assert_eq!(short_way(root).unwrap(), root);
    }
}

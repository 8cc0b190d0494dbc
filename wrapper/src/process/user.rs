//! Users and their groups, read from the system's files, or through `getent` and `id` where accounts
//! live elsewhere (the binary is static, so it cannot load the system's own resolvers).

use serde::{Deserialize, Serialize};
use std::fs;
use std::process::{Command, Stdio};

/// Whom the command becomes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Account {
    pub(crate) name: String,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    /// All its groups.
    pub(crate) groups: Vec<u32>,
    pub(crate) home: String,
    pub(crate) shell: String,
}

impl Account {
    /// Whether the wrapper is somebody else.
    pub(crate) fn is_another(&self) -> bool {
        self.uid != rustix::process::geteuid().as_raw()
    }

    /// What cron and a login set for it.
    pub(crate) fn variables(&self) -> [(&'static str, &str); 4] {
        let shell = Some(&*self.shell).filter(|shell| !shell.is_empty());
        [
            ("HOME", &self.home),
            ("USER", &self.name),
            ("LOGNAME", &self.name),
            // passwd(5) on an empty one.
            ("SHELL", shell.unwrap_or("/bin/sh")),
        ]
    }
}

/// Of the wrapper's own account, the variables that are not in its environment: systemd sets none of them for a service of
/// root's, and without `HOME` much fails that works under cron.
pub(crate) fn variables_that_lack() -> Vec<(&'static str, String)> {
    let lacks = |name: &str| std::env::var_os(name).is_none();
    if !["HOME", "USER", "LOGNAME", "SHELL"].into_iter().any(lacks) {
        return Vec::new();
    }
    let me = rustix::process::geteuid().as_raw();
    let passwd = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let is_me = |account: &Account| account.uid == me;
    let own = find(&passwd, is_me).or_else(|| {
        let entry = run("getent", &["passwd", &me.to_string()])?;
        find(&entry, is_me)
    });
    let variables = own.iter().flat_map(Account::variables);
    variables
        .filter(|(name, _)| lacks(name))
        .map(|(name, value)| (name, value.to_owned()))
        .collect()
}

/// The account that `name` means; an error where the wrapper may not become that user.
pub(crate) fn account_for(name: &str) -> Result<Account, String> {
    let account = look_up(name)?;
    let me = rustix::process::geteuid();
    if me.is_root() || !account.is_another() {
        Ok(account)
    } else {
        Err(format!(
            "the command is to run as user {name:?}, but the wrapper runs as user id {} and may not change to another; start it as root, or remove `user` from the job",
            me.as_raw()
        ))
    }
}

fn look_up(name: &str) -> Result<Account, String> {
    let unknown = || format!("user {name:?} is not known on this machine");
    if name.is_empty() || name.contains([':', '\n']) || name.starts_with('-') {
        return Err(unknown());
    }
    let passwd = fs::read_to_string("/etc/passwd").unwrap_or_default();
    if let Some(mut account) = find_user(&passwd, name) {
        let groups = fs::read_to_string("/etc/group").unwrap_or_default();
        account.groups = groups_of(&groups, name, account.gid);
        return Ok(account);
    }
    let entry = run("getent", &["passwd", name]).ok_or_else(unknown)?;
    let mut account = find_user(&entry, name).ok_or_else(unknown)?;
    account.groups = run("id", &["-G", name])
        .map(|ids| {
            ids.split_whitespace()
                .filter_map(|id| id.parse().ok())
                .collect()
        })
        .filter(|groups: &Vec<u32>| !groups.is_empty())
        .ok_or_else(|| format!("the groups of user {name:?} cannot be read"))?;
    Ok(account)
}

fn find_user(passwd: &str, name: &str) -> Option<Account> {
    find(passwd, |account| account.name == name)
}

fn find(passwd: &str, wanted: impl Fn(&Account) -> bool) -> Option<Account> {
    passwd.lines().find_map(|line| {
        let fields: Vec<&str> = line.split(':').collect();
        let [name, _, uid, gid, _, home, shell] = fields.as_slice() else {
            return None;
        };
        let account = Account {
            name: (*name).to_owned(),
            uid: uid.parse().ok()?,
            gid: gid.parse().ok()?,
            groups: Vec::new(),
            home: (*home).to_owned(),
            shell: (*shell).to_owned(),
        };
        wanted(&account).then_some(account)
    })
}

fn groups_of(group_file: &str, name: &str, primary: u32) -> Vec<u32> {
    let mut groups = vec![primary];
    for line in group_file.lines() {
        let fields: Vec<&str> = line.split(':').collect();
        if let [_, _, gid, members] = fields.as_slice()
            && members.split(',').any(|member| member == name)
            && let Ok(gid) = gid.parse()
            && !groups.contains(&gid)
        {
            groups.push(gid);
        }
    }
    groups
}

fn run(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .ok()?;
    output
        .status
        .success()
        .then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_has_its_primary_and_its_other_groups_once() {
        let passwd = "root:x:0:0:root:/root:/bin/bash\nbroken\nweb:x:33:33::/var/www:/bin/sh\n";
        let group = "web:x:33:web\nadm:x:4:root,web\nlog:x:5:webmaster\nssl:x:9:web\n";
        let account = find_user(passwd, "web").unwrap();
        assert_eq!((account.uid, account.gid), (33, 33));
        assert_eq!((&*account.home, &*account.shell), ("/var/www", "/bin/sh"));
        assert_eq!(groups_of(group, "web", account.gid), [33, 4, 9]);
        assert_eq!(find_user(passwd, "broken"), None);
    }

    #[test]
    fn an_unknown_user_is_named() {
        let error = look_up("no-such-user-here").unwrap_err();
        assert!(error.contains("\"no-such-user-here\""), "{error}");
        assert!(look_up("root:x").is_err());
    }
}

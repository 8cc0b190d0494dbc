//! What Salt is asked to run on machines: a small shell script that starts the wrapper and tells why it cannot, and
//! what it is given. Nothing of the job is in it but its name; the wrapper fetches the command itself.

use saltpeter_protocol::launch::{Launch, var};
use serde_json::{Map, Value, json};

/// Names of the script's own variables. The wrapper does not see them.
mod own {
    /// Where the wrapper is.
    pub(super) const PATH: &str = "SP_LAUNCH_PATH";
    /// What the wrapper is to be, `os-arch=SHA-256` for each kind of machine. Empty: whatever is there.
    pub(super) const EXPECTED: &str = "SP_LAUNCH_EXPECTED";
    /// Where a new wrapper is put together. The machine's name is added: two minions may share a host.
    pub(super) const NEW: &str = "SP_LAUNCH_NEW";
}

/// How long the script may take on a machine, in seconds. Salt ends it then.
const LIMIT: u32 = 25;

/// The beginning of every script. `{{ }}` is filled in by the minion.
const HEAD: &str = r#"SP_MACHINE_ID='{{ grains["id"] }}'
export SP_MACHINE_ID
kind='{{ (grains["kernel"] ~ "-" ~ grains["cpuarch"]) | lower }}'
path=$SP_LAUNCH_PATH expected=$SP_LAUNCH_EXPECTED new=$SP_LAUNCH_NEW.$SP_MACHINE_ID
unset SP_LAUNCH_PATH SP_LAUNCH_EXPECTED SP_LAUNCH_NEW
"#;

/// Leaves with 240 and the machine's kind when the wrapper is to be brought first. A machine that cannot tell the hash
/// starts what is there; so does one where a script is there: an operator's own, or of the earlier implementation, which
/// its way back needs.
const VERIFY: &str = r#"want=
for one in $expected; do
  case $one in "$kind="*) want=${one##*=} ;; esac
done
case $(head -c 2 "$path" 2> /dev/null) in '#!') want= ;; esac
if [ -n "$want" ]; then
  have=
  if [ -f "$path" ]; then
    have=$({ sha256sum || openssl dgst -sha256 -r || shasum -a 256; } < "$path" 2> /dev/null)
    have=${have%% *}
    [ -n "$have" ] || have=$want
  fi
  if [ "$have" != "$want" ]; then echo "$kind"; exit 240; fi
fi
"#;

/// Starts the wrapper. What the shell would take for a script of its own, a program for another kind of machine, is
/// not started.
const START: &str = r#"if [ ! -e "$path" ]; then echo "$kind"; exit 241; fi
bytes() { od -An -tx1 -j "$2" -N "$3" "$1" 2> /dev/null; }
case $(bytes "$path" 0 4) in *7f*45*4c*46*)
  if [ "$(bytes "$path" 18 2)" != "$(bytes /proc/self/exe 18 2)" ]; then echo "$kind"; exit 244; fi ;;
esac
"$path"
code=$?
if [ $code = 126 ]; then
  mode=$(ls -ldL "$path")
  case ${mode%% *} in -*x*) exit 243 ;; esac
  exit 242
fi
exit $code
"#;

/// Takes in a wrapper that has been put at `new`, whose hash is `got`.
const INSTALL: &str = r#"if [ -z "$got" ]; then exit 245; fi
if [ "$got" != "$want" ]; then rm -f "$new"; exit 246; fi
if chmod 0755 "$new" && mv -f "$new" "$path"; then :; else rm -f "$new"; exit 247; fi
"#;

/// Adds what comes on standard input to the wrapper at `new`.
const PIECE: &str = r#"umask 077
mkdir -p "${path%/*}" || exit 247
decode() { if command -v base64 > /dev/null; then base64 -d; else openssl base64 -d -A; fi; }
if decode | gzip -d >> "$new"; then exit 0; fi
rm -f "$new"
exit 247
"#;

/// Removes what was put together and came to nothing.
const REMOVE: &str = "rm -f \"$new\"\n";

/// What the script's exit code says. Other codes are the wrapper's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Code {
    /// The wrapper is not there, or another than is expected. Standard output is the machine's kind.
    NotExpected,
    /// There is none at the path.
    Missing,
    /// The file may not be executed by anybody.
    NotExecutable,
    /// The file could be executed, and the system does not let it.
    NotPermitted,
    /// It is for another kind of machine.
    OtherKind,
    /// Salt's file server did not have it.
    NotServed,
    /// What came is not what was sent.
    Garbled,
    /// It could not be put in its place.
    NotStored,
}

impl Code {
    /// What `code` says.
    pub(super) fn of(code: i64) -> Option<Self> {
        Some(match code {
            240 => Self::NotExpected,
            241 => Self::Missing,
            242 => Self::NotExecutable,
            243 => Self::NotPermitted,
            244 => Self::OtherKind,
            245 => Self::NotServed,
            246 => Self::Garbled,
            247 => Self::NotStored,
            _ => return None,
        })
    }
}

/// A wrapper that the machines can be given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Expected {
    /// The kind of machine it is for, `<kernel>-<cpuarch>` in lower case, as in `linux-x86_64`.
    pub(super) kind: String,
    /// Its SHA-256, hexadecimal.
    pub(super) hash: String,
}

/// How a wrapper gets to a machine before it is started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bring<'a> {
    /// It is there, or it is not.
    Not,
    /// From Salt's file server, to the file at this path first.
    Served(&'a str),
    /// It has been put together at this path.
    Assembled(&'a str),
}

/// The arguments of `cmd.run_all` that start the wrapper at `path` for `launch`, on whichever machine it is run.
/// `expected` is what the wrapper is to be; where it is empty, or has nothing for a kind of machine, what is there is
/// started.
pub(super) fn start(
    launch: &Launch,
    path: &str,
    expected: &[Expected],
    bring: Bring,
) -> Map<String, Value> {
    let (prelude, check, new) = match bring {
        Bring::Not => (String::new(), VERIFY.to_owned(), None),
        Bring::Served(new) => (
            format!(
                "{}{{%- set got = salt[\"cp.get_file\"](\"salt://saltpeter/wrapper-\" ~ want, new, makedirs=True) %}}",
                wanted(expected, new)
            ),
            installed(),
            Some(new),
        ),
        Bring::Assembled(new) => (
            format!("{}{{%- set got = new %}}", wanted(expected, new)),
            installed(),
            Some(new),
        ),
    };
    let cmd = format!("{prelude}{HEAD}{check}{START}");
    let mut env = Map::new();
    for (name, value) in launch.to_env() {
        // Each machine knows its own name.
        if name != var::MACHINE {
            env.insert(name, value.into());
        }
    }
    let list: Vec<String> = expected
        .iter()
        .map(|one| format!("{}={}", one.kind, one.hash))
        .collect();
    env.insert(own::PATH.to_owned(), path.into());
    env.insert(own::EXPECTED.to_owned(), list.join(" ").into());
    env.insert(own::NEW.to_owned(), new.unwrap_or_default().into());
    shell(&cmd, &env)
}

/// The arguments that add `piece`, a part of the wrapper by gzip and base64, to the file `new` beside `path`.
pub(super) fn piece(path: &str, new: &str, piece: String) -> Map<String, Value> {
    let mut env = Map::new();
    env.insert(own::PATH.to_owned(), path.into());
    env.insert(own::NEW.to_owned(), new.into());
    let mut kwargs = shell(&format!("{HEAD}{PIECE}"), &env);
    kwargs.insert("stdin".to_owned(), piece.into());
    kwargs
}

/// The arguments that remove the file `new`.
pub(super) fn remove(new: &str) -> Map<String, Value> {
    let mut env = Map::new();
    env.insert(own::NEW.to_owned(), new.into());
    shell(&format!("{HEAD}{REMOVE}"), &env)
}

/// The template's variables `want`, the hash for the machine's kind, and `new`.
fn wanted(expected: &[Expected], new: &str) -> String {
    let hashes: Map<String, Value> = expected
        .iter()
        .map(|one| (one.kind.clone(), one.hash.clone().into()))
        .collect();
    // JSON's texts and mappings are the template's too.
    format!(
        "{{%- set want = {}[(grains[\"kernel\"] ~ \"-\" ~ grains[\"cpuarch\"]) | lower] %}}{{%- set new = {} ~ \".\" ~ grains[\"id\"] %}}",
        Value::Object(hashes),
        json!(new)
    )
}

/// The hash is Salt's own work here: it is there on every machine.
fn installed() -> String {
    format!(
        "want='{{{{ want }}}}' got='{{{{ salt[\"file.get_hash\"](new, \"sha256\") if got else \"\" }}}}'\n{INSTALL}"
    )
}

fn shell(cmd: &str, env: &Map<String, Value>) -> Map<String, Value> {
    let kwargs = json!({
        "cmd": cmd,
        "env": env,
        "template": "jinja",
        "python_shell": true,
        "shell": "/bin/sh",
        // What it means is decided here; minions need not write it to their logs as an error.
        "ignore_retcode": true,
        "output_loglevel": "quiet",
        "timeout": LIMIT,
    });
    match kwargs {
        Value::Object(kwargs) => kwargs,
        _ => Map::new(),
    }
}

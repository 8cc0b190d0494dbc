//! Where the secrets of jobs, and that of `oidc`, are read: files that this server's user alone can read, and its own environment. They are
//! read anew each time, so that one that was changed is the new one from then on, and kept nowhere.

use saltpeter_domain::Secret;
use saltpeter_domain::secret::{MAX_SECRET_BYTES, MAX_SECRETS_BYTES, NoSecret, SecretSource};
use std::collections::BTreeMap;
use std::env;
use std::fs::OpenOptions;
use std::io::{self, Read as _};
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::time::Duration;

/// A source that takes longer (a file server that does not answer) cannot be read.
const READ_WITHIN: Duration = Duration::from_secs(10);

/// Permissions that nobody may have on a file with a secret: writing for its group, anything for all others.
const TOO_OPEN: u32 = 0o027;

/// Why a job's secrets cannot be had. A sentence for the operator; it has nothing of any value in it.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// A file cannot be read.
    #[error(
        "secret {name}: {path} cannot be read: {source}. The configuration says where it is; this server's user must be able to read it"
    )]
    File {
        /// The secret.
        name: String,
        /// The file.
        path: String,
        /// What the system said.
        source: io::Error,
    },
    /// A file is not one, or is open to others.
    #[error("secret {name}: {path} {problem}")]
    Refused {
        /// The secret.
        name: String,
        /// The file.
        path: String,
        /// What is wrong with it, and what to do.
        problem: String,
    },
    /// The server has no such variable.
    #[error(
        "secret {name}: this server has no variable {variable} in its environment; set it where the server is started, and start it anew"
    )]
    NoVariable {
        /// The secret.
        name: String,
        /// The variable.
        variable: String,
    },
    /// What was read is no secret.
    #[error("secret {name}: {source} {problem}", source = .source_of)]
    NoSecret {
        /// The secret.
        name: String,
        /// Where it was read.
        source_of: SecretSource,
        /// What is wrong with it.
        problem: NoSecret,
    },
    /// Together they are too long.
    #[error("the secrets of the job have {0} bytes together; {MAX_SECRETS_BYTES} are the most")]
    TooLong(usize),
    /// It took too long.
    #[error(
        "the secrets of the job could not be read within {READ_WITHIN:?}; is one of them on a file server that does not answer?"
    )]
    Slow,
}

/// Reads all of `sources`.
pub async fn read(
    sources: &BTreeMap<String, SecretSource>,
) -> Result<BTreeMap<String, Secret>, SecretError> {
    if sources.is_empty() {
        return Ok(BTreeMap::new());
    }
    let sources = sources.clone();
    let reading = tokio::task::spawn_blocking(move || read_all(&sources, |name| env::var_os(name)));
    match tokio::time::timeout(READ_WITHIN, reading).await {
        Ok(Ok(read)) => read,
        Ok(Err(_)) | Err(_) => Err(SecretError::Slow),
    }
}

fn read_all(
    sources: &BTreeMap<String, SecretSource>,
    variable: impl Fn(&str) -> Option<std::ffi::OsString>,
) -> Result<BTreeMap<String, Secret>, SecretError> {
    let mut secrets = BTreeMap::new();
    let mut total = 0;
    for (name, source) in sources {
        let bytes = match source {
            SecretSource::File(path) => read_file(name, path)?,
            SecretSource::Env(from) => match variable(from) {
                Some(value) => value.into_vec(),
                None => {
                    return Err(SecretError::NoVariable {
                        name: name.clone(),
                        variable: from.clone(),
                    });
                }
            },
        };
        let secret = Secret::from_read(bytes).map_err(|problem| SecretError::NoSecret {
            name: name.clone(),
            source_of: source.clone(),
            problem,
        })?;
        total += secret.expose().len();
        secrets.insert(name.clone(), secret);
    }
    if total > MAX_SECRETS_BYTES {
        return Err(SecretError::TooLong(total));
    }
    Ok(secrets)
}

fn read_file(name: &str, path: &str) -> Result<Vec<u8>, SecretError> {
    let failed = |source| SecretError::File {
        name: name.to_owned(),
        path: path.to_owned(),
        source,
    };
    let refused = |problem: String| SecretError::Refused {
        name: name.to_owned(),
        path: path.to_owned(),
        problem,
    };
    // Without waiting: a pipe that nobody writes to would hold us for ever.
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(rustix::fs::OFlags::NONBLOCK.bits().cast_signed())
        .open(path)
        .map_err(failed)?;
    let found = file.metadata().map_err(failed)?;
    if !found.is_file() {
        return Err(refused("is not a regular file".to_owned()));
    }
    let mode = found.mode() & 0o7777;
    if mode & TOO_OPEN != 0 {
        return Err(refused(format!(
            "is open to others (mode {mode:o}); run `chmod o=,g-w {path}`"
        )));
    }
    // Longer by line ends at most, which do not count.
    let most = MAX_SECRET_BYTES as u64 + 16;
    let mut bytes = Vec::new();
    file.take(most).read_to_end(&mut bytes).map_err(failed)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    fn read(sources: &[(&str, SecretSource)]) -> Result<BTreeMap<String, Secret>, SecretError> {
        let sources = sources
            .iter()
            .map(|(name, source)| ((*name).to_owned(), source.clone()))
            .collect();
        read_all(&sources, |name| {
            (name == "KNOWN").then(|| "from env".into())
        })
    }

    #[test]
    fn files_and_variables_are_read_anew_each_time() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("db");
        let file = SecretSource::File(path.to_string_lossy().into_owned());
        let sources = [("DB", file), ("KEY", SecretSource::Env("KNOWN".to_owned()))];
        for value in ["first one", "second one"] {
            fs::write(&path, format!("{value}\n")).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o440)).unwrap();
            let read = read(&sources).unwrap();
            assert_eq!(read["DB"].expose(), value);
            assert_eq!(read["KEY"].expose(), "from env");
            fs::remove_file(&path).unwrap();
        }
    }

    #[test]
    fn what_cannot_be_had_says_why_and_nothing_of_a_value() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name).to_string_lossy().into_owned();
        let file = |name: &str| SecretSource::File(path(name));
        let write = |name: &str, bytes: &[u8], mode| {
            fs::write(path(name), bytes).unwrap();
            fs::set_permissions(path(name), fs::Permissions::from_mode(mode)).unwrap();
        };
        write("open", b"hunter2", 0o644);
        write("writable", b"hunter2", 0o660);
        write("short", b"hun\n", 0o600);
        write("empty", b"\n", 0o600);
        write("long", &vec![b'h'; MAX_SECRET_BYTES + 1], 0o600);
        write("binary", b"hunter\xff", 0o600);
        fs::create_dir(path("directory")).unwrap();
        let problem = |source: SecretSource| {
            let problem = read(&[("DB", source)]).unwrap_err().to_string();
            assert!(!problem.contains("hun"), "{problem}");
            problem.replace(&path("")[..], "DIR/")
        };
        let sources = [
            "missing",
            "open",
            "writable",
            "short",
            "empty",
            "long",
            "binary",
            "directory",
        ];
        let mut told: Vec<String> = sources.map(|name| problem(file(name))).to_vec();
        told.push(problem(SecretSource::Env("MISSING".to_owned())));
        insta::assert_snapshot!(told.join("\n"));
    }

    #[test]
    fn together_they_fit_into_one_message() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        fs::write(&path, vec![b'k'; MAX_SECRET_BYTES]).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        let source = SecretSource::File(path.to_string_lossy().into_owned());
        let two = [("A", source.clone()), ("B", source.clone())];
        assert!(read(&two).is_ok());
        let three = [("A", source.clone()), ("B", source.clone()), ("C", source)];
        assert!(matches!(read(&three), Err(SecretError::TooLong(_))));
    }
}

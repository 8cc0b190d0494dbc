//! Who may speak for a run: a token per run, made from the server's one key.

use crate::private_file;
use hmac::digest::common::Key;
use hmac::{Hmac, KeyInit as _, Mac as _};
use saltpeter_protocol::{RunId, Token};
use sha2::Sha256;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

/// Length of the key in bytes.
const KEY_LEN: usize = 32;

/// Separates tokens of runs from whatever else may be made from the key one day.
const PURPOSE: &[u8] = b"saltpeter run token\n";

/// The key from which every run's token is made. Nothing secret is stored with a run, and a server that has
/// restarted knows the tokens it gave out before.
#[derive(Clone)]
pub struct RunKey([u8; KEY_LEN]);

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file cannot be read or made.
    #[error("cannot use the run key {path}: {source}. Check that its directory exists and belongs to this server's user", path = .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file is not a key.
    #[error("the run key {path} has {found} bytes instead of {KEY_LEN}. Move it away to get a new one; runs under way then lose contact", path = .path.display())]
    Length {
        /// The file.
        path: PathBuf,
        /// Its length.
        found: usize,
    },
    /// Others can read the file.
    #[error("the run key {path} can be read by other users. Whoever has it can pose as any machine: run `chmod 600 {path}`, or move it away to get a new one", path = .path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
    },
}

impl RunKey {
    /// The key of these bytes.
    pub fn from_bytes(bytes: [u8; KEY_LEN]) -> Self {
        Self(bytes)
    }

    /// Reads the key from `path`; makes a random one, for its owner alone to read, when there is none.
    pub fn load_or_create(path: &Path) -> Result<Self, KeyError> {
        let failed = |source| KeyError::File {
            path: path.to_owned(),
            source,
        };
        match File::open(path) {
            Ok(file) => {
                if private_file::is_exposed(&file.metadata().map_err(failed)?) {
                    return Err(KeyError::Exposed {
                        path: path.to_owned(),
                    });
                }
                let bytes = fs::read(path).map_err(failed)?;
                let found = bytes.len();
                bytes.try_into().map(Self).map_err(|_| KeyError::Length {
                    path: path.to_owned(),
                    found,
                })
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let key: [u8; KEY_LEN] = rand::random();
                private_file::write(path, &key).map_err(failed)?;
                Ok(Self(key))
            }
            Err(error) => Err(failed(error)),
        }
    }

    /// The token of `run`.
    pub fn token(&self, run: &RunId) -> Token {
        Token::from_bytes(self.mac(run).finalize().into_bytes().into())
    }

    /// Whether `token` is the token of `run`. Takes the same time for every wrong one of the right length.
    pub fn verify(&self, run: &RunId, token: &str) -> bool {
        decode(token).is_some_and(|tag| self.mac(run).verify_slice(&tag).is_ok())
    }

    fn mac(&self, run: &RunId) -> Hmac<Sha256> {
        // Shorter keys are padded with zeros, by the definition of HMAC.
        let mut block = Key::<Hmac<Sha256>>::default();
        block[..KEY_LEN].copy_from_slice(&self.0);
        let mut mac = Hmac::<Sha256>::new(&block);
        mac.update(PURPOSE);
        mac.update(run.as_str().as_bytes());
        mac
    }
}

fn decode(token: &str) -> Option<[u8; KEY_LEN]> {
    let mut tag = [0; KEY_LEN];
    let (pairs, rest) = token.as_bytes().as_chunks::<2>();
    if pairs.len() != KEY_LEN || !rest.is_empty() {
        return None;
    }
    for (byte, [high, low]) in tag.iter_mut().zip(pairs) {
        let digit = |c: &u8| char::from(*c).to_digit(16);
        *byte = (digit(high)? * 16 + digit(low)?) as u8;
    }
    Some(tag)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    fn run(name: &str) -> RunId {
        RunId::new(name).unwrap()
    }

    #[test]
    fn a_token_is_good_for_its_run_alone() {
        let key = RunKey::from_bytes([7; 32]);
        let token = key.token(&run("a_1"));
        assert!(key.verify(&run("a_1"), token.expose()));
        assert!(!key.verify(&run("a_2"), token.expose()));
        assert!(!RunKey::from_bytes([8; 32]).verify(&run("a_1"), token.expose()));
        for wrong in [
            "",
            "00",
            &"0".repeat(64),
            &"x".repeat(64),
            &token.expose()[1..],
        ] {
            assert!(!key.verify(&run("a_1"), wrong), "{wrong:?}");
        }
    }

    #[test]
    fn the_key_outlives_the_process_and_is_private() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("run.key");
        let first = RunKey::load_or_create(&path).unwrap();
        let again = RunKey::load_or_create(&path).unwrap();
        assert_eq!(first.token(&run("a_1")), again.token(&run("a_1")));
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_key_that_is_exposed_or_cut_is_refused_by_name() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("run.key");
        fs::write(&path, [0; 32]).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let error = RunKey::load_or_create(&path).err().unwrap().to_string();
        assert!(error.contains("chmod 600"), "{error}");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        fs::write(&path, [0; 31]).unwrap();
        let error = RunKey::load_or_create(&path).err().unwrap().to_string();
        assert!(error.contains("31 bytes"), "{error}");
        let missing = dir.path().join("no/run.key");
        let error = RunKey::load_or_create(&missing).err().unwrap().to_string();
        assert!(error.contains("no/run.key"), "{error}");
    }
}

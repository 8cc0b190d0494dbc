//! What the wrapper was told: its arguments and its environment.

use saltpeter_protocol::UnixMillis;
use saltpeter_protocol::launch::{Launch, var};
use std::ffi::OsString;
use std::time::{Duration, SystemTime};
use tokio_tungstenite::tungstenite::http::Uri;

use crate::core::buffer::SPOOL_LIMIT;
use crate::core::kill::KILL_GRACE;
use crate::tls::Pin;

/// This very binary, also when the file at its path has been replaced meanwhile.
pub(crate) const OWN_BINARY: &str = "/proc/self/exe";
/// Argument of the detached process.
pub(crate) const DETACHED_MODE: &str = "--detached";
/// Argument of the process that becomes the command.
pub(crate) const EXEC_MODE: &str = "--exec";

const PORT: u16 = 80;
const TLS_PORT: u16 = 443;

/// What to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Start the detached process and return.
    Launch,
    /// Do the work without detaching, log to standard error.
    Foreground,
    /// Be the detached process.
    Detached,
    /// Become the command.
    Exec,
    Version,
    Help,
}

/// Whether a person is watching.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Attachment {
    Detached,
    Foreground,
}

impl Mode {
    pub(crate) fn from_args(mut args: impl Iterator<Item = OsString>) -> Result<Self, String> {
        let Some(first) = args.next() else {
            return Ok(Self::Launch);
        };
        let mode = match first.to_str() {
            Some("--foreground") => Self::Foreground,
            Some("-V" | "-v" | "--version") => Self::Version,
            Some("-h" | "--help") => Self::Help,
            Some(DETACHED_MODE) => Self::Detached,
            Some(EXEC_MODE) => Self::Exec,
            _ => return Err(format!("{} is not an option; see --help", first.display())),
        };
        match args.next() {
            None => Ok(mode),
            Some(more) => Err(format!(
                "{} is one argument too many; see --help",
                more.display()
            )),
        }
    }
}

/// How the server shows that it is the one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Security {
    /// Not at all: anybody on the way can read and change what is said.
    Plain,
    /// By this certificate.
    Pinned(Pin),
    /// By a certificate that one of this machine's authorities has given to its host.
    Authorities,
}

/// Where the server is.
#[derive(Debug, Clone)]
pub(crate) struct Endpoint {
    pub(crate) uri: Uri,
    pub(crate) security: Security,
    pub(crate) host: String,
    pub(crate) port: u16,
}

impl Endpoint {
    /// Reads `ws://host[:port][/path]`, or `wss://…`; `pin` is what [`var::TLS_PIN`] says.
    pub(crate) fn parse(url: &str, pin: Option<&str>) -> Result<Self, String> {
        // The address of version 1 carries the token, so a problem is told without the text.
        let (name, pin_name) = (var::URL, var::TLS_PIN);
        let uri: Uri = url.parse().map_err(|e| {
            format!("{name} is not an address: {e}; it looks like wss://server:8889")
        })?;
        let security = match (uri.scheme_str(), pin) {
            (Some("ws"), None) => Security::Plain,
            // Whoever pins a certificate does not mean to do without one.
            (Some("ws"), Some(_)) => {
                return Err(format!(
                    "{pin_name} names a certificate, and {name} asks for none (ws://); use wss://"
                ));
            }
            (Some("wss"), Some(pin)) => Pin::parse(pin).map(Security::Pinned).ok_or_else(|| {
                format!(
                    "{pin_name} is not the SHA-256 of a certificate, which has 64 hexadecimal digits"
                )
            })?,
            (Some("wss"), None) => Security::Authorities,
            _ => {
                return Err(format!(
                    "{name} must begin with wss:// or ws://, as in wss://server:8889"
                ));
            }
        };
        let host = uri
            .host()
            .map(|host| {
                host.trim_start_matches('[')
                    .trim_end_matches(']')
                    .to_owned()
            })
            .filter(|host| !host.is_empty())
            .ok_or_else(|| format!("{name} names no host; it looks like wss://server:8889"))?;
        let usual = if security == Security::Plain {
            PORT
        } else {
            TLS_PORT
        };
        let port = uri.port_u16().unwrap_or(usual);
        Ok(Self {
            uri,
            security,
            host,
            port,
        })
    }
}

/// Everything from the environment.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) launch: Launch,
    pub(crate) endpoint: Endpoint,
    /// Bytes that may wait on disk for the server.
    pub(crate) spool_limit: u64,
}

impl Settings {
    /// Reads this process's environment. The error is a sentence for the operator.
    pub(crate) fn from_env() -> Result<Self, String> {
        let host = rustix::system::uname();
        let host = host.nodename().to_string_lossy();
        let get = |name: &str| std::env::var(name).ok();
        let launch = Launch::from_env(get, &host, KILL_GRACE).map_err(|e| e.to_string())?;
        let endpoint = Endpoint::parse(&launch.url, launch.tls_pin.as_deref())?;
        let spool_limit = match get(var::SPOOL_MAX).filter(|text| !text.is_empty()) {
            None => SPOOL_LIMIT,
            Some(text) => text
                .trim()
                .parse()
                .map_err(|_| format!("{}: {text:?} is not a number of bytes", var::SPOOL_MAX))?,
        };
        Ok(Self {
            launch,
            endpoint,
            spool_limit,
        })
    }
}

/// The machine's clock.
pub(crate) fn wall_clock() -> UnixMillis {
    let since_epoch = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or(Duration::ZERO);
    UnixMillis(i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX))
}

/// 64 random bits.
pub(crate) fn random() -> u64 {
    let mut bytes = [0; 8];
    let filled = rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty());
    if filled == Ok(8) {
        u64::from_ne_bytes(bytes)
    } else {
        // A kernel without random numbers: time and process still tell wrappers apart.
        let now = wall_clock().0.cast_unsigned();
        now.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ u64::from(std::process::id())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_a_host_and_perhaps_a_port() {
        let parse = |url| Endpoint::parse(url, None);
        let endpoint = parse("ws://server:8889").unwrap();
        assert_eq!((&*endpoint.host, endpoint.port), ("server", 8889));
        let endpoint = parse("ws://[::1]/x?token=1").unwrap();
        assert_eq!((&*endpoint.host, endpoint.port), ("::1", 80));
        for bad in ["http://server", "server:8889", "ws://", "", "ws://a b"] {
            let error = parse(bad).unwrap_err();
            assert!(error.contains(var::URL), "{error}");
        }
    }

    #[test]
    fn the_address_and_the_pin_say_how_the_server_is_known() {
        let pin = "0aB1".repeat(16);
        let security = |url, pin| Endpoint::parse(url, pin).map(|endpoint| endpoint.security);
        assert_eq!(security("ws://server", None), Ok(Security::Plain));
        assert_eq!(security("wss://server", None), Ok(Security::Authorities));
        let pinned = Security::Pinned(Pin::parse(&pin).unwrap());
        assert_eq!(security("wss://server", Some(&pin)), Ok(pinned));
        assert_eq!(Endpoint::parse("wss://server", None).unwrap().port, 443);
        let (letters, accents) = ("x".repeat(64), "é".repeat(32));
        for bad in ["", "00", &pin[1..], &letters, &accents] {
            let error = security("wss://server", Some(bad)).unwrap_err();
            assert!(error.contains(var::TLS_PIN), "{error}");
        }
        let error = security("ws://server", Some(&pin)).unwrap_err();
        assert!(error.contains("wss://"), "{error}");
    }

    #[test]
    fn arguments_choose_the_mode() {
        let mode = |args: &[&str]| Mode::from_args(args.iter().map(OsString::from));
        assert_eq!(mode(&[]), Ok(Mode::Launch));
        assert_eq!(mode(&["--foreground"]), Ok(Mode::Foreground));
        assert!(mode(&["--forground"]).is_err());
        assert!(mode(&["--help", "me"]).is_err());
    }
}

//! One golden file for each message of each version: what is on the wire, byte for byte.
//!
//! A file that changes means a new version of the protocol. A new message gets a new file, written by
//! hand or with `GOLDEN=write`.
#![allow(
    clippy::unwrap_used,
    reason = "what fails in a test's helper fails the test"
)]

use saltpeter_protocol::launch::{CommandSpec, LockRule, TimeLimit};
use saltpeter_protocol::machine::{Stream, v1, v2};
use saltpeter_protocol::{JobName, MachineId, RunId, UnixMillis};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{Debug, Write as _};
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

fn folder(version: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(version)
}

/// The golden files of one version, and which of them a test has looked at.
struct Golden {
    version: &'static str,
    seen: BTreeSet<String>,
}

impl Golden {
    fn new(version: &'static str) -> Self {
        Self {
            version,
            seen: BTreeSet::new(),
        }
    }

    fn text(&mut self, name: &str, now: &str) {
        let path = folder(self.version).join(name);
        if std::env::var_os("GOLDEN").is_some_and(|v| v == "write") && !path.exists() {
            fs::write(&path, format!("{now}\n")).unwrap();
        }
        let golden = fs::read_to_string(&path)
            .unwrap_or_else(|e| panic!("{}: {e}; make it with GOLDEN=write", path.display()));
        assert_eq!(golden.trim_end(), now, "{}", path.display());
        self.seen.insert(name.to_owned());
    }

    /// Written as the file says, and read back as the same message.
    fn json<T>(&mut self, name: &str, message: &T)
    where
        T: Serialize + DeserializeOwned + PartialEq + Debug,
    {
        let now = serde_json::to_string(message).unwrap();
        self.text(&format!("{name}.json"), &now);
        let back: T = serde_json::from_str(&now).unwrap();
        assert_eq!(&back, message, "{name}");
    }

    /// No file without a message.
    fn finish(self, prefixes: &[&str]) {
        for entry in fs::read_dir(folder(self.version)).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            if prefixes.iter().any(|p| name.starts_with(p)) {
                assert!(self.seen.contains(&name), "{name} has no message");
            }
        }
    }
}

fn command() -> CommandSpec {
    CommandSpec {
        command: "pg_dump app | gzip > /backup/app.gz".to_owned(),
        cwd: Some("/var/backups".to_owned()),
        user: Some("postgres".to_owned()),
        env: BTreeMap::from([("PGPASSWORD".to_owned(), "s3cret".to_owned())]),
        secrets: BTreeMap::new(),
        time_limit: Some(TimeLimit {
            soft: Duration::from_hours(1),
            hard: Duration::from_secs(3605),
        }),
        overlap: LockRule::Exclusive,
    }
}

#[test]
fn version_2_from_wrappers() {
    use v2::{Exit, FromWrapper, Progress};
    let at = UnixMillis(1_762_250_400_123);
    let hello = |progress| FromWrapper::Hello {
        job: JobName::new("backup").unwrap(),
        run: RunId::new("backup_1762250400").unwrap(),
        machine: MachineId::new("db1.example.com").unwrap(),
        wrapper: v2::WrapperId(17_000_000_000_000_000_001),
        version: "0.1.0".to_owned(),
        progress,
        features: Vec::new(),
    };
    let ended = |exit| FromWrapper::Ended {
        exit,
        length: 5_000_000_000,
        at,
    };
    let mut golden = Golden::new("v2");
    golden.json("wrapper-hello-new", &hello(Progress::New));
    golden.json(
        "wrapper-hello-started",
        &hello(Progress::Started { pid: 4242, at }),
    );
    let mut with_features = hello(Progress::New);
    if let FromWrapper::Hello { features, .. } = &mut with_features {
        features.push(v2::Feature::Secrets);
    }
    golden.json("wrapper-hello-features", &with_features);
    golden.json("wrapper-started", &FromWrapper::Started { pid: 4242, at });
    golden.json("wrapper-heartbeat", &FromWrapper::Heartbeat);
    golden.json("wrapper-ended-exited", &ended(Exit::Exited { code: 3 }));
    golden.json(
        "wrapper-ended-signalled",
        &ended(Exit::Signalled { signal: 11 }),
    );
    golden.json("wrapper-ended-timed-out", &ended(Exit::TimedOut));
    golden.json("wrapper-ended-killed", &ended(Exit::Killed));
    let message = "user \"postgres\" is not known on this machine".to_owned();
    golden.json(
        "wrapper-cannot-start",
        &FromWrapper::CannotStart { message },
    );
    golden.finish(&["wrapper-"]);
    let later = r#"["secrets","of_a_later_version"]"#;
    let features: Vec<v2::Feature> = serde_json::from_str(later).unwrap();
    assert_eq!(features, [v2::Feature::Secrets, v2::Feature::Unknown]);
}

#[test]
fn version_2_from_the_server() {
    use v2::{FromServer, LeaveReason, RefusedCode};
    let welcome = |command, durable, kill| FromServer::Welcome {
        command,
        durable,
        kill,
        version: "0.1.0".to_owned(),
    };
    let leave = |reason| FromServer::Leave {
        reason,
        message: "run backup_1762250400 on db1.example.com".to_owned(),
    };
    let refused = |code| FromServer::Refused {
        code,
        message: "expected hello".to_owned(),
    };
    let with_rule = |overlap| CommandSpec {
        command: "true".to_owned(),
        cwd: None,
        user: None,
        env: BTreeMap::new(),
        secrets: BTreeMap::new(),
        time_limit: None,
        overlap,
    };
    let file = LockRule::ExclusiveAt {
        file: "/run/lock/backup".to_owned(),
    };
    let mut golden = Golden::new("v2");
    golden.json("server-welcome-start", &welcome(Some(command()), 0, false));
    golden.json(
        "server-welcome-start-bare",
        &welcome(Some(with_rule(LockRule::Shared)), 0, false),
    );
    golden.json(
        "server-welcome-start-lockfile",
        &welcome(Some(with_rule(file)), 0, false),
    );
    let with_secrets = CommandSpec {
        secrets: BTreeMap::from([("PGPASSWORD".to_owned(), "s3cret".to_owned())]),
        ..with_rule(LockRule::Exclusive)
    };
    golden.json(
        "server-welcome-start-secrets",
        &welcome(Some(with_secrets), 0, false),
    );
    golden.json("server-welcome-resume", &welcome(None, 5_000_000_000, true));
    golden.json("server-leave-not-the-one", &leave(LeaveReason::NotTheOne));
    golden.json(
        "server-leave-already-ended",
        &leave(LeaveReason::AlreadyEnded),
    );
    golden.json("server-leave-not-known", &leave(LeaveReason::NotKnown));
    golden.json("server-ack", &FromServer::Ack { durable: 65536 });
    golden.json("server-kill", &FromServer::Kill);
    golden.json("server-done", &FromServer::Done);
    golden.json(
        "server-refused-bad-message",
        &refused(RefusedCode::BadMessage),
    );
    golden.json(
        "server-refused-out-of-order",
        &refused(RefusedCode::OutOfOrder),
    );
    golden.json(
        "server-refused-hello-first",
        &refused(RefusedCode::HelloFirst),
    );
    golden.finish(&["server-"]);
}

#[test]
fn version_2_output_frames() {
    use v2::{Encoding, OutputFrame};
    let frame = |stream, encoding, raw_len, payload: &'static [u8]| OutputFrame {
        stream,
        offset: 0x0102_0304_0506,
        at: UnixMillis(1_762_250_400_123),
        raw_len,
        encoding,
        payload,
    };
    let mut golden = Golden::new("v2");
    for (name, frame) in [
        (
            "frame-stdout",
            frame(Stream::Stdout, Encoding::Raw, 6, b"hello\n"),
        ),
        (
            "frame-stderr",
            frame(Stream::Stderr, Encoding::Raw, 4, b"\xff\x00\x1b\n"),
        ),
        // The payload of a compressed frame is opaque to the protocol.
        (
            "frame-stdout-zstd",
            frame(Stream::Stdout, Encoding::Zstd, 65536, b"\x28\xb5\x2f\xfd"),
        ),
        (
            "frame-stderr-zstd",
            frame(Stream::Stderr, Encoding::Zstd, 262_144, b"\x28\xb5\x2f\xfd"),
        ),
    ] {
        let bytes = frame.encode();
        let mut hex = String::new();
        for byte in &bytes {
            write!(hex, "{byte:02x}").unwrap();
        }
        golden.text(&format!("{name}.hex"), &hex);
        assert_eq!(OutputFrame::decode(&bytes), Ok(frame), "{name}");
    }
    golden.finish(&["frame-"]);
}

/// The files are what wrappers in the field send, so reading is what is tested here.
#[test]
fn version_1_from_wrappers() {
    use v1::FromWrapper;
    let output = |stream, data: &str, seq| FromWrapper::Output {
        stream,
        data: data.to_owned(),
        seq,
    };
    let complete = |retcode, seq, output: Option<&str>| FromWrapper::Complete {
        retcode,
        seq,
        output: output.map(str::to_owned),
    };
    let expected = [
        ("wrapper-connect", FromWrapper::Connect),
        (
            "wrapper-start",
            FromWrapper::Start {
                pid: Some(4242),
                version: Some("1.4.0".to_owned()),
            },
        ),
        (
            "wrapper-start-old",
            FromWrapper::Start {
                pid: None,
                version: None,
            },
        ),
        ("wrapper-heartbeat", FromWrapper::Heartbeat),
        (
            "wrapper-output",
            output(Stream::Stderr, "caf\u{e9}\n", Some(7)),
        ),
        (
            "wrapper-output-old",
            output(Stream::Stdout, "hello\n", None),
        ),
        (
            "wrapper-sync-request",
            FromWrapper::SyncRequest {
                last_acked_seq: Some(-1),
                next_seq: Some(3),
            },
        ),
        ("wrapper-complete", complete(0, Some(8), None)),
        ("wrapper-complete-signal", complete(-15, Some(8), None)),
        (
            "wrapper-complete-old",
            complete(1, None, Some("all of it\n")),
        ),
        (
            "wrapper-error",
            FromWrapper::Error {
                error: "no such directory".to_owned(),
            },
        ),
        ("wrapper-killed", FromWrapper::Killed),
        ("wrapper-unknown", FromWrapper::Unknown),
    ];
    let mut golden = Golden::new("v1");
    for (name, expected) in expected {
        let file = format!("{name}.json");
        let text = fs::read_to_string(folder("v1").join(&file)).unwrap();
        let message: FromWrapper = serde_json::from_str(&text).unwrap();
        assert_eq!(message, expected, "{name}");
        let envelope: v1::Envelope = serde_json::from_str(&text).unwrap();
        assert_eq!(envelope.job_name, "backup", "{name}");
        assert_eq!(envelope.job_instance, "backup_1762250400", "{name}");
        assert_eq!(envelope.machine, "db1.example.com", "{name}");
        golden.seen.insert(file);
    }
    golden.finish(&["wrapper-"]);
}

#[test]
fn version_1_from_the_server() {
    use v1::{AckType, ErrorCode, FromServer, NackType};
    let timestamp = || "2025-11-04T10:00:00.123000+00:00".to_owned();
    let ack = |ack_type, seq| FromServer::Ack {
        ack_type,
        seq,
        timestamp: timestamp(),
    };
    let error = |code, message: &str| FromServer::Error {
        code,
        message: message.to_owned(),
    };
    let mut golden = Golden::new("v1");
    golden.json("server-ack-connect", &ack(AckType::Connect, None));
    golden.json("server-ack-start", &ack(AckType::Start, None));
    golden.json("server-ack-output", &ack(AckType::Output, Some(7)));
    golden.json("server-ack-complete", &ack(AckType::Complete, Some(8)));
    golden.json(
        "server-nack",
        &FromServer::Nack {
            nack_type: NackType::OutOfOrder,
            expected_seq: 3,
            received_seq: 5,
        },
    );
    golden.json(
        "server-sync-response",
        &FromServer::SyncResponse { last_seq: 6 },
    );
    golden.json(
        "server-sync-response-unknown",
        &FromServer::SyncResponse { last_seq: -1 },
    );
    golden.json(
        "server-kill",
        &FromServer::Kill {
            job_name: "backup".to_owned(),
            job_instance: "backup_1762250400".to_owned(),
            machine: "db1.example.com".to_owned(),
            timestamp: timestamp(),
        },
    );
    golden.json(
        "server-error-job-not-found",
        &error(ErrorCode::JobNotFound, "no such run"),
    );
    golden.json(
        "server-error-bad-message",
        &error(ErrorCode::BadMessage, "not JSON"),
    );
    golden.finish(&["server-"]);
}

/// A later version may add types and fields; neither may break a reader of today.
#[test]
fn what_is_not_known_is_ignored() {
    let message = r#"{"type":"telemetry","cpu":3}"#;
    assert_eq!(
        serde_json::from_str::<v2::FromWrapper>(message).unwrap(),
        v2::FromWrapper::Unknown
    );
    assert_eq!(
        serde_json::from_str::<v2::FromServer>(message).unwrap(),
        v2::FromServer::Unknown
    );
    let ack = r#"{"type":"ack","durable":5,"hint":"faster"}"#;
    assert_eq!(
        serde_json::from_str::<v2::FromServer>(ack).unwrap(),
        v2::FromServer::Ack { durable: 5 }
    );
}

//! What is written can be read: output frames, and the launch environment in both directions.
#![allow(
    clippy::unwrap_used,
    reason = "what fails in a test's helper fails the test"
)]

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use saltpeter_protocol::launch::{
    CommandSpec, DEFAULT_RETAIN, Launch, LaunchError, LockRule, TimeLimit, WrapperLogLevel, var,
};
use saltpeter_protocol::machine::Stream;
use saltpeter_protocol::machine::v2::{Encoding, FrameError, HEADER_LEN, MAX_CHUNK, OutputFrame};
use saltpeter_protocol::{Attempt, JobName, MachineId, RunId, Token, UnixMillis};
use std::borrow::Borrow;
use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;
use std::time::Duration;

const GRACE: Duration = Duration::from_secs(5);

fn read<N: Borrow<str> + Eq + Hash>(env: &HashMap<N, String>) -> Result<Launch, LaunchError> {
    Launch::from_env(|name| env.get(name).cloned(), "this-host", GRACE)
}

prop_compose! {
    fn command()(
        command in "[^\0]{1,40}",
        cwd in option::of("/[^\0]{0,20}"),
        user in option::of("[a-z]{1,8}"),
        soft in option::of(1u64..1_000_000),
        overlap in prop_oneof![
            Just(LockRule::Exclusive),
            Just(LockRule::Shared),
            "/[a-z]{1,8}".prop_map(|file| LockRule::ExclusiveAt { file }),
        ],
    ) -> CommandSpec {
        CommandSpec {
            command,
            cwd,
            user,
            env: BTreeMap::new(),
            secrets: BTreeMap::new(),
            time_limit: soft.map(|soft| TimeLimit {
                soft: Duration::from_secs(soft),
                hard: Duration::from_secs(soft) + GRACE,
            }),
            overlap,
        }
    }
}

prop_compose! {
    fn launch()(
        url in "wss?://[a-z]{1,9}:[1-9][0-9]{0,3}",
        job in "[a-zA-Z0-9_][a-zA-Z0-9_.-]{0,20}",
        at in 0i64..4_000_000_000_000,
        machine in "[a-zA-Z0-9ü_-][a-zA-Z0-9ü.:_-]{0,30}",
        token in option::of(any::<[u8; 32]>()),
        tls_pin in option::of("[0-9a-f]{64}"),
        log_level in prop_oneof![
            Just(WrapperLogLevel::Normal),
            Just(WrapperLogLevel::Debug),
            Just(WrapperLogLevel::Off),
        ],
        log_dir in option::of("/[a-z]{1,8}"),
        retain in 0u64..1_000_000,
        command in option::of(command()),
    ) -> Launch {
        let job = JobName::new(job).unwrap();
        Launch {
            url,
            run: RunId::compose(&job, UnixMillis(at), 1),
            job,
            machine: MachineId::new(machine).unwrap(),
            token: token.map(Token::from_bytes),
            tls_pin,
            log_level,
            log_dir,
            retain: Duration::from_secs(retain),
            command,
        }
    }
}

fn stream() -> impl Strategy<Value = Stream> {
    prop_oneof![Just(Stream::Stdout), Just(Stream::Stderr)]
}

proptest! {
    #[test]
    fn a_launch_comes_back_from_its_environment(launch in launch()) {
        let env: HashMap<String, String> = launch.to_env().into_iter().collect();
        prop_assert_eq!(read(&env).unwrap(), launch);
    }

    #[test]
    fn any_environment_is_read_or_refused_without_a_panic(
        values in vec(option::of("\\PC{0,12}"), 15),
    ) {
        let names = [
            var::URL, var::JOB, var::RUN, var::MACHINE, var::TOKEN, var::TLS_PIN, var::LOG_LEVEL,
            var::LOG_DIR, var::RETAIN, var::COMMAND, var::CWD, var::USER, var::TIMEOUT,
            var::ALLOW_OVERLAP, var::LOCKFILE,
        ];
        let env = names.into_iter().zip(values).filter_map(|(n, v)| Some((n, v?))).collect();
        if let Err(e) = read::<&str>(&env) {
            prop_assert!(e.to_string().starts_with("SP_"), "{}", e);
        }
    }

    #[test]
    fn a_raw_frame_comes_back(
        stream in stream(),
        offset in any::<u64>(),
        at in any::<i64>(),
        payload in vec(any::<u8>(), 1..2000),
    ) {
        let frame = OutputFrame {
            stream,
            offset,
            at: UnixMillis(at),
            raw_len: payload.len() as u32,
            encoding: Encoding::Raw,
            payload: payload.as_slice(),
        };
        let bytes = frame.encode();
        prop_assert_eq!(OutputFrame::decode(&bytes), Ok(frame));
    }

    #[test]
    fn a_compressed_frame_comes_back(
        stream in stream(),
        offset in any::<u64>(),
        raw_len in 1..=MAX_CHUNK as u32,
        payload in vec(any::<u8>(), 0..200),
    ) {
        let frame = OutputFrame {
            stream,
            offset,
            at: UnixMillis(0),
            raw_len,
            encoding: Encoding::Zstd,
            payload: payload.as_slice(),
        };
        let bytes = frame.encode();
        prop_assert_eq!(OutputFrame::decode(&bytes), Ok(frame));
    }

    #[test]
    fn any_bytes_are_a_frame_or_refused(bytes in vec(any::<u8>(), 0..100)) {
        if let Ok(frame) = OutputFrame::decode(&bytes) {
            prop_assert_eq!(frame.encode(), bytes);
        }
    }
}

#[test]
fn a_version_1_wrapper_finds_all_it_needs_in_its_environment() {
    let job = JobName::new("backup").unwrap();
    let launch = Launch {
        url: "wss://server:8889".into(),
        run: RunId::compose(&job, UnixMillis(0), 1),
        job,
        machine: MachineId::new("db1").unwrap(),
        token: Some(Token::from_bytes([7; 32])),
        tls_pin: Some("00".repeat(32)),
        log_level: WrapperLogLevel::Normal,
        log_dir: None,
        retain: DEFAULT_RETAIN,
        command: None,
    };
    let env: HashMap<String, String> = launch
        .for_version_1(CommandSpec {
            command: "dump".into(),
            cwd: None,
            user: None,
            env: BTreeMap::from([("DEPTH".to_owned(), "3".to_owned())]),
            secrets: BTreeMap::new(),
            time_limit: None,
            overlap: LockRule::Exclusive,
        })
        .to_env()
        .into_iter()
        .collect();
    let url = format!("ws://server:8889/?token={}", "07".repeat(32));
    // It speaks no TLS.
    assert_eq!(env[var::URL], url);
    assert!(!env.contains_key(var::TLS_PIN));
    assert_eq!(env[var::COMMAND], "dump");
    assert_eq!(env["DEPTH"], "3");
    // Its own defaults would be no lock, and an end at once.
    assert_eq!(env[var::ALLOW_OVERLAP], "false");
    assert!(!env.contains_key(var::TIMEOUT));
}

#[test]
fn a_version_1_wrapper_of_a_later_attempt_has_a_name_of_its_own_for_the_run() {
    let job = JobName::new("backup").unwrap();
    let run = RunId::compose(&job, UnixMillis(0), 1);
    let launch = Launch {
        url: "ws://server:8889".into(),
        run: RunId::new(Attempt::after(1).instance(&run)).unwrap(),
        job,
        machine: MachineId::new("db1").unwrap(),
        token: Some(Token::from_bytes([7; 32])),
        tls_pin: None,
        log_level: WrapperLogLevel::Normal,
        log_dir: None,
        retain: DEFAULT_RETAIN,
        command: None,
    };
    let command = CommandSpec {
        command: "dump".into(),
        cwd: None,
        user: None,
        env: BTreeMap::new(),
        secrets: BTreeMap::new(),
        time_limit: None,
        overlap: LockRule::Exclusive,
    };
    let env: HashMap<String, String> = launch.for_version_1(command).to_env().into_iter().collect();
    assert_eq!(env[var::RUN], "backup_0.2");
    assert_eq!(
        env[var::RUN_FOR_COMMANDS],
        "backup_0",
        "commands know the run"
    );
}

#[test]
fn frames_outside_the_limits_are_refused() {
    let frame = |raw_len| OutputFrame {
        stream: Stream::Stdout,
        offset: 0,
        at: UnixMillis(0),
        raw_len,
        encoding: Encoding::Raw,
        payload: b"ab".as_slice(),
    };
    let decode = |bytes: &[u8]| OutputFrame::decode(bytes).err();
    assert_eq!(decode(&frame(2).encode()), None);
    assert_eq!(decode(&[]), Some(FrameError::Short(0)));
    assert_eq!(
        decode(&frame(2).encode()[..HEADER_LEN - 1]),
        Some(FrameError::Short(HEADER_LEN - 1))
    );
    assert_eq!(decode(&frame(0).encode()), Some(FrameError::Length(0)));
    let long = MAX_CHUNK as u32 + 1;
    assert_eq!(
        decode(&frame(long).encode()),
        Some(FrameError::Length(long))
    );
    assert_eq!(
        decode(&frame(3).encode()),
        Some(FrameError::Mismatch {
            announced: 3,
            carried: 2
        })
    );
    let mut other = frame(2).encode();
    other[0] = 9;
    assert_eq!(decode(&other), Some(FrameError::Kind(9)));
    other[0] = 1;
    other[1] = 0x80;
    assert_eq!(decode(&other), Some(FrameError::Flags(0x80)));
}

#[test]
fn what_is_missing_or_wrong_is_named() {
    let mut env = HashMap::from([
        (var::JOB, "backup".to_owned()),
        (var::RUN, "backup_1".to_owned()),
    ]);
    assert_eq!(read(&env), Err(LaunchError::Missing(var::URL)));
    env.insert(var::URL, "ws://server:8889".to_owned());
    let launch = read(&env).unwrap();
    assert_eq!(launch.machine.as_str(), "this-host");
    assert_eq!(launch.command, None);
    for (name, value) in [
        (var::JOB, "../x"),
        (var::RUN, "a b"),
        (var::MACHINE, "a/b"),
        (var::TOKEN, "short"),
        (var::RETAIN, "a day"),
        (var::LOG_LEVEL, "loud"),
    ] {
        let mut env = env.clone();
        env.insert(name, value.to_owned());
        let error = read(&env).unwrap_err().to_string();
        assert!(error.starts_with(name), "{error}");
        assert!(name != var::TOKEN || !error.contains(value), "{error}");
    }
}

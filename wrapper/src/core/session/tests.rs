use super::*;
use proptest::prelude::*;
use saltpeter_protocol::launch::{DEFAULT_RETAIN, LockRule, WrapperLogLevel};
use std::collections::BTreeMap;

const AT: UnixMillis = UnixMillis(1_762_250_400_000);

fn command() -> CommandSpec {
    CommandSpec {
        command: "true".to_owned(),
        cwd: None,
        user: None,
        env: BTreeMap::new(),
        secrets: BTreeMap::new(),
        time_limit: None,
        overlap: LockRule::Exclusive,
    }
}

fn launch(command: Option<CommandSpec>) -> Launch {
    Launch {
        url: "ws://server:8889".to_owned(),
        job: JobName::new("job").unwrap(),
        run: RunId::new("job_1").unwrap(),
        machine: MachineId::new("m1").unwrap(),
        token: None,
        tls_pin: None,
        log_level: WrapperLogLevel::Off,
        log_dir: None,
        retain: DEFAULT_RETAIN,
        command,
    }
}

fn welcome(command: Option<CommandSpec>, durable: u64, kill: bool) -> FromServer {
    FromServer::Welcome {
        command,
        durable,
        kill,
        version: "1".to_owned(),
    }
}

/// What is to be done, without the notes.
fn effects(session: &mut Session) -> Vec<Effect> {
    std::iter::from_fn(|| session.next_effect())
        .filter(|effect| !matches!(effect, Effect::Note(_)))
        .collect()
}

fn said(effects: &[Effect]) -> Vec<&FromWrapper> {
    effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::Send(message) => Some(message),
            _ => None,
        })
        .collect()
}

fn session(now: Instant) -> Session {
    Session::new(&launch(None), WrapperId(1), now)
}

#[test]
fn nothing_starts_without_a_welcome() {
    let now = Instant::now();
    let mut session = session(now);
    assert_eq!(effects(&mut session), []);
    session.connected(now);
    assert!(matches!(
        effects(&mut session).as_slice(),
        [Effect::Send(FromWrapper::Hello {
            progress: Progress::New,
            ..
        })]
    ));
    session.heard(now + START_WINDOW);
    assert_eq!(
        session.wake(),
        Some(now + SILENCE_LIMIT + Duration::from_secs(15))
    );
    session.tick(now + START_WINDOW);
    assert_eq!(effects(&mut session), [Effect::Exit(Farewell::NotWelcomed)]);
}

#[test]
fn a_run_from_hello_to_done() {
    let now = Instant::now();
    let mut session = session(now);
    session.connected(now);
    effects(&mut session);
    session.message(welcome(Some(command()), 0, false), now);
    assert_eq!(
        effects(&mut session),
        [Effect::Resume(0), Effect::Start(Box::new(command()))]
    );
    session.started(7, AT);
    assert_eq!(
        effects(&mut session),
        [Effect::Send(FromWrapper::Started { pid: 7, at: AT })]
    );
    session.message(FromServer::Ack { durable: 5 }, now);
    assert_eq!(effects(&mut session), [Effect::Acked(5)]);
    session.message(FromServer::Done, now);
    assert_eq!(
        effects(&mut session),
        [],
        "done before the end means nothing"
    );
    let exit = Exit::Exited { code: 3 };
    session.ended(exit, 9, AT, now);
    assert!(session.outcome_waits());
    assert_eq!(effects(&mut session), []);
    session.output_sent();
    session.output_sent();
    assert_eq!(
        effects(&mut session),
        [Effect::Send(FromWrapper::Ended {
            exit,
            length: 9,
            at: AT
        })]
    );
    session.message(FromServer::Done, now);
    assert_eq!(effects(&mut session), [Effect::Exit(Farewell::Delivered)]);
}

#[test]
fn the_outcome_is_said_again_after_a_lost_connection_until_it_is_too_old() {
    let now = Instant::now();
    let mut session = session(now);
    session.connected(now);
    session.message(welcome(Some(command()), 0, false), now);
    session.started(7, AT);
    session.ended(Exit::TimedOut, 0, AT, now);
    session.output_sent();
    session.disconnected();
    effects(&mut session);
    session.connected(now);
    let hello = effects(&mut session);
    assert!(matches!(
        said(&hello).as_slice(),
        [FromWrapper::Hello {
            progress: Progress::Started { pid: 7, .. },
            ..
        }]
    ));
    session.message(welcome(None, 0, true), now);
    assert_eq!(
        effects(&mut session),
        [Effect::Resume(0)],
        "a kill comes too late"
    );
    session.output_sent();
    assert!(matches!(
        said(&effects(&mut session)).as_slice(),
        [FromWrapper::Ended {
            exit: Exit::TimedOut,
            ..
        }]
    ));
    session.disconnected();
    assert_eq!(session.wake(), Some(now + DEFAULT_RETAIN));
    session.tick(now + DEFAULT_RETAIN);
    assert_eq!(effects(&mut session), [Effect::Exit(Farewell::Undelivered)]);
}

#[test]
fn a_kill_before_the_start_prevents_it() {
    let now = Instant::now();
    let mut session = session(now);
    session.connected(now);
    effects(&mut session);
    session.message(welcome(Some(command()), 0, true), now);
    assert_eq!(effects(&mut session), [Effect::Resume(0)]);
    session.output_sent();
    assert!(matches!(
        said(&effects(&mut session)).as_slice(),
        [FromWrapper::Ended {
            exit: Exit::Killed,
            length: 0,
            ..
        }]
    ));
}

#[test]
fn told_to_end_it_does_not_wait_for_a_server_that_is_away() {
    let now = Instant::now();
    let mut session = Session::new(&launch(Some(command())), WrapperId(1), now);
    session.started(7, AT);
    session.interrupted(now);
    session.ended(Exit::Signalled { signal: 15 }, 0, AT, now);
    assert_eq!(session.wake(), Some(now + LAST_WORDS));
    let mut session = Session::new(&launch(Some(command())), WrapperId(1), now);
    session.ended(Exit::TimedOut, 0, AT, now);
    session.interrupted(now);
    assert_eq!(session.wake(), Some(now + LAST_WORDS));
}

#[test]
fn a_command_of_its_own_starts_without_a_server() {
    let now = Instant::now();
    let mut session = Session::new(&launch(Some(command())), WrapperId(1), now);
    assert_eq!(effects(&mut session), [Effect::Start(Box::new(command()))]);
    session.started(7, AT);
    assert_eq!(effects(&mut session), [], "hello will say it");
    assert_eq!(session.wake(), None, "the start window is over");
}

#[test]
fn sent_away_before_the_start_it_leaves_and_after_it_only_falls_silent() {
    let now = Instant::now();
    let leave = || FromServer::Leave {
        reason: LeaveReason::NotTheOne,
        message: "no".to_owned(),
    };
    let mut session = session(now);
    session.connected(now);
    effects(&mut session);
    session.message(leave(), now);
    assert!(matches!(
        effects(&mut session).as_slice(),
        [Effect::Exit(Farewell::SentAway(_))]
    ));
    let mut session = Session::new(&launch(Some(command())), WrapperId(1), now);
    session.started(7, AT);
    session.connected(now);
    effects(&mut session);
    let not_known = FromServer::Leave {
        reason: LeaveReason::NotKnown,
        message: "no".to_owned(),
    };
    session.message(not_known, now);
    assert!(matches!(
        effects(&mut session).as_slice(),
        [Effect::Reconnect(_)]
    ));
    session.connected(now);
    effects(&mut session);
    session.message(leave(), now);
    assert!(matches!(
        effects(&mut session).as_slice(),
        [Effect::Abandon(_)]
    ));
    session.ended(Exit::Exited { code: 0 }, 0, AT, now);
    assert!(matches!(
        effects(&mut session).as_slice(),
        [Effect::Exit(Farewell::SentAway(_))]
    ));
}

#[test]
fn a_silent_server_is_pinged_and_then_left() {
    let now = Instant::now();
    let at = |s| now + Duration::from_secs(s);
    let mut session = Session::new(&launch(Some(command())), WrapperId(1), now);
    session.started(7, AT);
    session.connected(now);
    session.message(welcome(None, 0, false), now);
    effects(&mut session);
    session.heard(at(2));
    session.tick(at(5));
    assert_eq!(
        effects(&mut session),
        [Effect::Send(FromWrapper::Heartbeat)]
    );
    session.tick(at(10));
    assert_eq!(
        effects(&mut session),
        [Effect::Send(FromWrapper::Heartbeat), Effect::Ping]
    );
    assert_eq!(session.wake(), Some(at(15)));
    session.tick(at(15));
    effects(&mut session);
    session.tick(at(17));
    assert!(matches!(
        effects(&mut session).as_slice(),
        [Effect::Reconnect(_)]
    ));
}

#[derive(Debug, Clone)]
enum Input {
    Connected,
    Disconnected,
    Message(Box<FromServer>),
    Started,
    CannotStart,
    Ended,
    OutputSent,
    Interrupted,
    Wait(u64),
}

fn input() -> impl Strategy<Value = Input> {
    let message = prop_oneof![
        (any::<bool>(), 0u64..3, any::<bool>()).prop_map(|(first, durable, kill)| welcome(
            first.then(command),
            durable,
            kill
        )),
        (0u64..3).prop_map(|durable| FromServer::Ack { durable }),
        Just(FromServer::Kill),
        Just(FromServer::Done),
        Just(FromServer::Unknown),
        Just(FromServer::Refused {
            code: RefusedCode::OutOfOrder,
            message: String::new()
        }),
        Just(FromServer::Leave {
            reason: LeaveReason::AlreadyEnded,
            message: String::new()
        }),
    ];
    prop_oneof![
        3 => Just(Input::Connected),
        1 => Just(Input::Disconnected),
        5 => message.prop_map(|message| Input::Message(Box::new(message))),
        2 => Just(Input::Started),
        1 => Just(Input::CannotStart),
        1 => Just(Input::Ended),
        2 => Just(Input::OutputSent),
        1 => Just(Input::Interrupted),
        2 => (0u64..20_000).prop_map(Input::Wait),
    ]
}

proptest! {
    #[test]
    fn in_any_order_the_command_starts_once_at_most_and_only_on_a_welcome(
        inputs in prop::collection::vec(input(), 1..60),
    ) {
        let mut now = Instant::now();
        let mut session = session(now);
        let (mut starts, mut welcomes, mut exits, mut over) = (0, 0, 0, false);
        for input in inputs {
            let running = starts == 1;
            match input {
                Input::Connected => session.connected(now),
                Input::Disconnected => session.disconnected(),
                Input::Message(message) => {
                    welcomes += usize::from(matches!(*message, FromServer::Welcome { .. }));
                    session.message(*message, now);
                }
                Input::Started if running => session.started(7, AT),
                Input::CannotStart if running => {
                    session.cannot_start(String::new(), now);
                    over = true;
                }
                Input::Ended if running => {
                    session.ended(Exit::TimedOut, 0, AT, now);
                    over = true;
                }
                Input::OutputSent => session.output_sent(),
                Input::Interrupted => session.interrupted(now),
                Input::Wait(millis) => {
                    now += Duration::from_millis(millis);
                    session.tick(now);
                    prop_assert!(session.wake().is_none_or(|wake| wake > now));
                }
                Input::Started | Input::CannotStart | Input::Ended => {}
            }
            for effect in effects(&mut session) {
                match effect {
                    Effect::Start(_) => {
                        starts += 1;
                        prop_assert!(welcomes > 0);
                    }
                    Effect::Send(FromWrapper::Ended { exit: Exit::TimedOut, .. }) => prop_assert!(over),
                    Effect::Exit(_) => exits += 1,
                    _ => {}
                }
            }
            prop_assert!(starts <= 1 && exits <= 1);
        }
    }
}

//! What both ways to Salt do alike, on the real one.

use crate::ways::{Way, call, names, returns, values, with};
use saltpeter_domain::targeting::TargetType;
use saltpeter_server::salt::{Call, Heard, Jid, SaltError, Target};
use saltpeter_testkit::SaltLab;
use serde_json::json;
use std::time::{Duration, Instant};

/// Each test once for each way.
macro_rules! both_ways {
    ($($test:ident)*) => {
        mod api {
            $(#[tokio::test] async fn $test() { super::$test(crate::ways::Way::Api).await; })*
        }
        mod cli {
            $(#[tokio::test] async fn $test() { super::$test(crate::ways::Way::Cli).await; })*
        }
    };
}

both_ways! {
    every_kind_of_target_finds_its_machines
    what_matches_nothing_is_expected_from_nobody
    arguments_arrive_as_they_were_given
    texts_in_place_of_values_come_through
    late_returns_come_while_others_wait_for_nothing
    a_return_after_the_wait_is_silence
    ten_calls_at_once_do_not_mix
    a_call_is_taken_up_by_its_number
    a_minion_outage_is_silence_for_that_minion_alone
    a_master_outage_is_told_and_over_when_the_master_is_back
}

const ALL: [&str; 3] = ["db1", "web1", "web2"];
const WEB: [&str; 2] = ["web1", "web2"];

async fn every_kind_of_target_finds_its_machines(way: Way) {
    let lab = SaltLab::find().unwrap();
    let salt = way.connect(&lab);
    let cases: [(TargetType, &str, &[&str]); 14] = [
        (TargetType::Glob, "*", &ALL),
        (TargetType::Glob, "web?", &WEB),
        (TargetType::List, "web1,db1", &["db1", "web1"]),
        (TargetType::List, "web2", &["web2"]),
        (TargetType::Pcre, "web[12]", &WEB),
        (TargetType::Grain, "roles:webserver", &WEB),
        (TargetType::GrainPcre, "roles:^data.*", &["db1"]),
        (TargetType::Pillar, "tier:front", &WEB),
        (TargetType::Nodegroup, "front", &WEB),
        (TargetType::IpCidr, "127.0.0.0/8", &ALL),
        (TargetType::Compound, "web* and not L@web2", &["web1"]),
        (
            TargetType::Compound,
            "I@tier:back or E@web1",
            &["db1", "web1"],
        ),
        (TargetType::Compound, "N@front and G@roles:webserver", &WEB),
        (TargetType::Compound, "S@127.0.0.1", &ALL),
    ];
    for (target_type, text, expected) in cases {
        let target = Target {
            target_type,
            text: text.to_owned(),
        };
        let ping = Call {
            target,
            ..call("", "test.ping")
        };
        let called = salt.call(ping).await.unwrap();
        assert_eq!(names(&called.expected), expected, "{target_type:?} {text}");
        let heard = values(&returns(called).await);
        let heard: Vec<&String> = heard.keys().collect();
        assert_eq!(heard, expected, "{target_type:?} {text}");
    }
}

async fn what_matches_nothing_is_expected_from_nobody(way: Way) {
    let lab = SaltLab::find().unwrap();
    let salt = way.connect(&lab);
    let called = salt.call(call("nobody*", "test.ping")).await.unwrap();
    assert!(called.expected.is_empty());
    assert!(returns(called).await.is_empty());
}

async fn arguments_arrive_as_they_were_given(way: Way) {
    let lab = SaltLab::find().unwrap();
    let salt = way.connect(&lab);
    let text = "it's \"so\" #no ü\n=: {{ }} $(id) %";
    let given = json!({"n": 1, "text": text, "none": null, "list": [1, "2"], "map": {"a": true}});
    let echo = Call {
        args: vec![json!("positional")],
        ..with(call("web1", "test.arg"), &given)
    };
    let heard = values(&returns(salt.call(echo).await.unwrap()).await);
    assert_eq!(heard["web1"]["args"], json!(["positional"]));
    let kwargs = heard["web1"]["kwargs"].as_object().unwrap();
    for (key, value) in given.as_object().unwrap() {
        assert_eq!(&kwargs[key], value, "{key}");
    }
}

async fn texts_in_place_of_values_come_through(way: Way) {
    let lab = SaltLab::find().unwrap();
    let salt = way.connect(&lab);
    let called = salt.call(call("web1", "no.such")).await.unwrap();
    let heard = returns(called).await;
    let [Heard::Returned(of)] = heard.as_slice() else {
        panic!("{heard:?}");
    };
    assert_eq!(of.value, json!("'no.such' is not available."));
    assert_ne!(of.retcode, 0);
}

async fn late_returns_come_while_others_wait_for_nothing(way: Way) {
    let lab = SaltLab::find().unwrap();
    let salt = way.connect(&lab);
    let kwargs = json!({
        "cmd": "[ {{ grains.id }} = db1 ] && sleep 4; echo {{ grains.id }}",
        "template": "jinja",
        "python_shell": true,
    });
    let mut called = salt
        .call(with(call("*", "cmd.run_all"), &kwargs))
        .await
        .unwrap();
    let began = Instant::now();
    let mut order = Vec::new();
    while let Some(heard) = called.returns.recv().await {
        let Heard::Returned(of) = heard else {
            panic!("{heard:?}");
        };
        assert_eq!(of.value["stdout"], json!(of.machine.to_string()));
        order.push((of.machine.to_string(), began.elapsed()));
    }
    assert_eq!(order.len(), 3, "{order:?}");
    assert_eq!(order[2].0, "db1");
    // The others were not held back until the last one came.
    assert!(
        order[1].1 + Duration::from_secs(1) < order[2].1,
        "{order:?}"
    );
}

async fn a_return_after_the_wait_is_silence(way: Way) {
    let lab = SaltLab::find().unwrap();
    let salt = way.connect(&lab);
    let sleep = Call {
        args: vec![json!(6)],
        wait: Duration::from_secs(1),
        ..call("web1", "test.sleep")
    };
    let heard = returns(salt.call(sleep).await.unwrap()).await;
    let [Heard::Silent(machine)] = heard.as_slice() else {
        panic!("{heard:?}");
    };
    assert_eq!(machine.as_str(), "web1");
}

async fn ten_calls_at_once_do_not_mix(way: Way) {
    let lab = SaltLab::find().unwrap();
    let salt = way.connect(&lab);
    let calls = (0..10).map(|number| {
        let salt = salt.clone();
        async move {
            let echo = Call {
                args: vec![json!(format!("number {number}"))],
                ..call("*", "test.echo")
            };
            let heard = values(&returns(salt.call(echo).await.unwrap()).await);
            assert_eq!(heard.len(), 3, "{heard:?}");
            for value in heard.values() {
                assert_eq!(value, &json!(format!("number {number}")));
            }
        }
    });
    futures::future::join_all(calls).await;
}

async fn a_call_is_taken_up_by_its_number(way: Way) {
    let lab = SaltLab::find().unwrap();
    let jid = {
        let first = way.connect(&lab);
        let sleep = with(
            call("web*", "cmd.run_all"),
            &json!({"cmd": "[ {{ grains.id }} = web1 ] || sleep 4; echo x", "template": "jinja", "python_shell": true}),
        );
        let mut called = first.call(sleep).await.unwrap();
        // One has returned before it is taken up, the other comes after.
        called.returns.recv().await.unwrap();
        called.jid
    };
    let second = way.connect(&lab);
    let wait = Duration::from_secs(20);
    let called = second.hear(&jid, wait).await.unwrap().unwrap();
    assert_eq!(names(&called.expected), WEB);
    let heard = values(&returns(called).await);
    assert_eq!(heard.len(), 2, "{heard:?}");

    let unknown = Jid("20200101000000000000_1".to_owned());
    assert!(second.hear(&unknown, wait).await.unwrap().is_none());
}

async fn a_minion_outage_is_silence_for_that_minion_alone(way: Way) {
    let lab = SaltLab::find().unwrap();
    let salt = way.connect(&lab);
    let stopped = lab.stop("web2").await.unwrap();
    // As long as the executor gives machines: on a busy host a healthy one may need seconds.
    let wait = Duration::from_secs(10);
    let ping = Call {
        wait,
        ..call("*", "test.ping")
    };
    let began = Instant::now();
    let mut called = salt.call(ping).await.unwrap();
    assert_eq!(names(&called.expected), ALL);
    for _ in 0..2 {
        let heard = called.returns.recv().await.unwrap();
        assert!(matches!(heard, Heard::Returned(_)), "{heard:?}");
    }
    let healthy = began.elapsed();
    let heard = called.returns.recv().await.unwrap();
    assert!(
        matches!(&heard, Heard::Silent(machine) if machine.as_str() == "web2"),
        "{heard:?}"
    );
    assert!(healthy < wait, "{healthy:?}");
    stopped.start().await.unwrap();
}

async fn a_master_outage_is_told_and_over_when_the_master_is_back(way: Way) {
    let lab = SaltLab::find().unwrap();
    let salt = way.connect(&lab);
    let ping = || call("*", "test.ping");
    returns(salt.call(ping()).await.unwrap()).await;
    let stopped = lab.stop("master").await.unwrap();
    let began = Instant::now();
    let error = salt.call(ping()).await.unwrap_err();
    assert!(
        matches!(error, SaltError::Away(_) | SaltError::Unsure(_)),
        "{error:?}"
    );
    assert!(
        began.elapsed() < Duration::from_secs(30),
        "{:?}",
        began.elapsed()
    );
    stopped.start().await.unwrap();

    let back = async {
        loop {
            match salt.call(ping()).await {
                Ok(called) => return called,
                Err(SaltError::Refused(why)) => panic!("{why}"),
                Err(_) => tokio::time::sleep(Duration::from_millis(200)).await,
            }
        }
    };
    let called = tokio::time::timeout(Duration::from_secs(30), back)
        .await
        .unwrap();
    let heard = values(&returns(called).await);
    assert_eq!(heard.len(), 3, "{heard:?}");
}

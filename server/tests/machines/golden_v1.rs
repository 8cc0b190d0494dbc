//! Conversations with version 1 wrappers, as files.
//!
//! A line is a message of the wrapper (`>`), the server's answer (`<`), something that happens (`@`), or a comment
//! (`#`). `<time>` stands for any point in time and `<text>` for any sentence. That the server answers *nothing* shows in
//! the next answer being that to the next message.

use crate::world::{Client, Heard, World};
use saltpeter_protocol::RunId;
use saltpeter_server::machines::Limits;
use serde_json::Value;
use std::path::Path;
use std::time::Duration;

struct Stage {
    world: World,
    run: RunId,
    token: Option<String>,
    client: Client,
}

async fn play(name: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden/v1")
        .join(name);
    let text = std::fs::read_to_string(&path).unwrap();
    let limits = Limits {
        kill_every: Duration::from_millis(50),
        ..Limits::default()
    };
    let world = World::with(limits).await;
    let run = world.start_run().await;
    let token = Some(world.token(&run));
    let client = world.connect_v1(token.as_deref()).await;
    let mut stage = Stage {
        world,
        run,
        token,
        client,
    };
    for (number, line) in text.lines().enumerate() {
        let place = format!("{name}:{}", number + 1);
        match line.split_once(' ') {
            Some((">", message)) => stage.client.say_text(message.to_owned()).await,
            Some(("<", answer)) => stage.hear(&place, answer).await,
            Some(("@", event)) => stage.happen(&place, event).await,
            _ => assert!(
                line.is_empty() || line.starts_with('#'),
                "{place}: {line:?}"
            ),
        }
    }
}

impl Stage {
    async fn hear(&mut self, place: &str, expected: &str) {
        let expected: Value = serde_json::from_str(expected).unwrap();
        loop {
            let Heard::Text(text) = self.client.next().await else {
                panic!("{place}: the server has closed the connection");
            };
            let got: Value = serde_json::from_str(&text).unwrap();
            // A kill is said again and again, also between two answers.
            if got["type"] == "kill" && expected["type"] != "kill" {
                continue;
            }
            assert_eq!(likened(got, &expected), expected, "{place}");
            return;
        }
    }

    async fn happen(&mut self, place: &str, event: &str) {
        let (event, rest) = event.split_once(' ').unwrap_or((event, ""));
        match event {
            "kill" => self.world.kill(&self.run).await,
            "reconnect" => self.connect().await,
            "restart" => {
                self.world.restart().await;
                self.connect().await;
            }
            "token" => {
                self.token = (rest != "none").then(|| rest.to_owned());
                self.connect().await;
            }
            "token-of" => {
                let run = RunId::new(rest).unwrap();
                self.token = Some(self.world.token(&run));
                self.connect().await;
            }
            "binary" => self.client.say_bytes(vec![1, 2, 3]).await,
            "closed" => {
                self.client.until_closed().await;
            }
            "output" => {
                let expected: String = serde_json::from_str(rest).unwrap();
                let output = self.world.output(&self.run, "web1").await;
                assert_eq!(String::from_utf8(output).unwrap(), expected, "{place}");
            }
            "outcome" => {
                let expected: Value = serde_json::from_str(rest).unwrap();
                let outcome = self.world.outcome(&self.run).await;
                assert_eq!(serde_json::to_value(outcome).unwrap(), expected, "{place}");
            }
            other => panic!("{place}: what is {other:?}?"),
        }
    }

    async fn connect(&mut self) {
        self.client = self.world.connect_v1(self.token.as_deref()).await;
    }
}

/// `got`, with the placeholders of `expected` where it has what they stand for.
fn likened(mut got: Value, expected: &Value) -> Value {
    if let (Some(got), Some(expected)) = (got.as_object_mut(), expected.as_object()) {
        for (key, value) in got {
            let placeholder = expected.get(key);
            let fits = match (placeholder.and_then(Value::as_str), value.as_str()) {
                (Some("<time>"), Some(text)) => chrono::DateTime::parse_from_rfc3339(text).is_ok(),
                (Some("<text>"), Some(text)) => !text.is_empty(),
                _ => false,
            };
            if let Some(placeholder) = placeholder.filter(|_| fits) {
                *value = placeholder.clone();
            }
        }
    }
    got
}

macro_rules! conversations {
    ($($name:ident,)*) => {
        $(
            #[tokio::test]
            async fn $name() {
                play(concat!(stringify!($name), ".txt")).await;
            }
        )*

        #[test]
        fn every_file_is_played() {
            let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/v1");
            let mut files: Vec<String> = std::fs::read_dir(dir).unwrap()
                .map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
            files.sort();
            assert_eq!(files, [$(concat!(stringify!($name), ".txt")),*]);
        }
    };
}

conversations! {
    bad_messages,
    completion_repeated,
    kill,
    kill_after_reconnection,
    late_binding,
    numbers,
    ordinary,
    restart,
    signals,
    synchronisation,
    ten_bad_messages,
    tokens,
    unknown_run,
    very_old,
    wrapper_error,
}

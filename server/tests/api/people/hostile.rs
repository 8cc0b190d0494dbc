//! Text from outside never becomes markup, on any page that the server renders.

use super::browser::Browser;
use super::{PASSWORD, with_admin};
use crate::world::World;
use saltpeter_protocol::RunId;
use serde_json::json;

/// Markup, ends of elements that others are in, quotes, entities, what turns the direction of text, and more.
const HOSTILE: &[&str] = &[
    "<script>window.hacked=1</script>",
    "</script><script>window.hacked=1</script>",
    "</textarea></title></style><img src=x onerror=window.hacked=1>",
    "\"><svg onload=window.hacked=1>",
    "' onmouseover='window.hacked=1",
    "--><!-- ]]> <![CDATA[<hacked>",
    "&lt;script&gt; &amp; &#60;b&#62;",
    "{{7*7}} ${7*7} <%= 7*7 %>",
    "javascript:window.hacked=1",
    "\u{202e}txt.exe\u{202c} \u{2066}a\u{2069} \u{200f}",
    "\\u003cscript\\u003e \\x3cscript\\x3e",
];

/// What no page may have in its markup, whatever text is in it.
fn is_clean(page: &str, of: &str) {
    for bad in [
        "<script>window",
        "<img src=x",
        "<svg onload",
        "<hacked",
        "<![CDATA[",
        "href=\"javascript:",
        "--><!-- ]]>",
    ] {
        assert!(!page.contains(bad), "{bad:?} in {of}: {page}");
    }
}

/// A text of YAML for each hostile text, its number and the text in quotes.
fn yaml(of: impl Fn(usize, &str, &str) -> String) -> String {
    let texts = HOSTILE.iter().enumerate().map(|(number, text)| {
        let quoted = serde_json::to_string(text).unwrap();
        of(number, text, &quoted)
    });
    texts.collect::<Vec<_>>().concat()
}

/// Jobs with each text as command, environment and output.
fn jobs() -> String {
    yaml(|number, text, _| {
        // Not the text alone: a value of the environment is masked in the output.
        let value = serde_json::to_string(&format!("{text} there")).unwrap();
        let command = format!("cat <<'EOF'\n{text}\nEOF\nexit 3");
        let command = serde_json::to_string(&command).unwrap();
        format!(
            "h{number}~:\n  schedule: '@yearly'\n  command: {command}\n  targets: web1\n  env: {{TEXT: {value}}}\n"
        )
    })
}

/// Jobs that are wrong, in words that are repeated in what is said of them.
fn broken() -> String {
    yaml(|number, _, quoted| {
        format!(
            "b{number}~:\n  schedule: {quoted}\n  command: 'true'\n  targets: '*'\n  user: {quoted}\n"
        )
    })
}

/// Jobs with each text as name and target.
fn names() -> String {
    yaml(|_, _, quoted| {
        format!("{quoted}:\n  schedule: '@yearly'\n  command: 'true'\n  targets: {quoted}\n")
    })
}

/// Every byte of it escaped, for an address.
fn escaped(text: &str) -> String {
    let bytes: Vec<String> = text.bytes().map(|byte| format!("%{byte:02X}")).collect();
    bytes.concat()
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_outputs_and_errors_stay_text() {
    let reason = serde_json::to_string(HOSTILE[1]).unwrap();
    let maintenance = format!("saltpeter_maintenance:\n  machines: [db1]\n  reason: {reason}\n");
    let world = World::new(&[
        ("jobs.yaml", &jobs()),
        ("broken.yaml", &broken()),
        ("names.yaml", &names()),
        ("maintenance.yaml", &maintenance),
    ])
    .await;
    let mut runs: Vec<RunId> = Vec::new();
    for (number, text) in HOSTILE.iter().enumerate() {
        let run = world.run(&format!("h{number}~")).await;
        let detail = world.ended(&run).await;
        assert_eq!(detail.summary.counts.failed, 1);
        let output = world.output(&run, "web1").await;
        assert_eq!(output, format!("{text}\n"), "it really is in the output");
        runs.push(run);
    }
    let mut paths = vec![
        "/".to_owned(),
        "/config".to_owned(),
        "/maintenance".to_owned(),
    ];
    for (number, run) in runs.iter().enumerate() {
        paths.push(format!("/jobs/h{number}~"));
        paths.push(format!("/runs/{run}?machine=web1"));
    }
    for text in HOSTILE {
        let escaped = escaped(text);
        paths.push(format!("/jobs/{escaped}"));
        paths.push(format!("/runs/{escaped}"));
        paths.push(format!(
            "/?q={escaped}&group={escaped}&status={escaped}&sort={escaped}"
        ));
        paths.push(format!("/{escaped}"));
        paths.push(format!("/login?next={escaped}"));
        paths.push(format!("/welcome?code={escaped}"));
    }
    for path in paths {
        let page = world
            .request("GET", &path, &[("Accept", "text/html")], "")
            .await;
        is_clean(&page.text(), &path);
        let policy = page.header("content-security-policy").unwrap();
        assert!(
            policy.contains("frame-ancestors 'none'"),
            "{path}: {policy}"
        );
        assert!(
            !policy.contains("script-src 'unsafe-inline'"),
            "{path}: {policy}"
        );
    }
    // Programs get it as JSON or as text, which no browser takes for a page.
    for path in ["/status", "/api/v1/overview", "/api/v1/config"] {
        let answer = world.get(path).await;
        assert_eq!(answer.header("content-type"), Some("application/json"));
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_people_type_stays_text() {
    let (world, mut ana) = with_admin().await;
    for text in HOSTILE {
        let mut somebody = Browser::new();
        let fields = [("name", *text), ("password", PASSWORD), ("next", *text)];
        let login = somebody.submit(&world, "/login", &fields).await;
        assert_eq!(login.status, 401);
        is_clean(&login.text(), "/login");
        for (path, fields) in [
            (
                "/users",
                vec![("name", *text), ("role", *text), ("password", *text)],
            ),
            ("/users/access", vec![("name", "ana"), ("role", *text)]),
            ("/users/remove", vec![("name", *text)]),
            (
                "/tokens",
                vec![("name", *text), ("role", "viewer"), ("days", "1")],
            ),
            ("/tokens/remove", vec![("name", *text)]),
        ] {
            let answer = ana.submit(&world, path, &fields).await;
            assert!(
                (400..500).contains(&answer.status),
                "{path}: {}",
                answer.status
            );
            is_clean(&answer.text(), path);
        }
    }
    // Groups are free text, and so is what a browser calls itself.
    for (number, text) in HOSTILE.iter().enumerate() {
        let (user, token) = (format!("u{number}"), format!("t{number}"));
        let fields = [
            ("name", user.as_str()),
            ("role", "operator"),
            ("groups", *text),
            ("password", PASSWORD),
        ];
        assert_eq!(ana.submit(&world, "/users", &fields).await.status, 303);
        let fields = [
            ("name", token.as_str()),
            ("role", "operator"),
            ("groups", *text),
            ("days", "1"),
        ];
        let made = ana.submit(&world, "/tokens", &fields).await;
        assert_eq!(made.status, 201);
        is_clean(&made.text(), "the new token");
    }
    for path in ["/users", "/tokens", "/account"] {
        let page = ana.go(&world, path).await;
        assert_eq!(page.status, 200);
        is_clean(&page.text(), path);
    }
    assert!(
        ana.go(&world, "/account")
            .await
            .text()
            .contains("test &lt;hacked&gt;browser")
    );
    let page = world
        .request(
            "GET",
            "/api/v1/jobs/%3Cscript%3Ewindow",
            &[("Cookie", &ana.cookie())],
            "",
        )
        .await;
    assert_eq!(page.header("content-type"), Some("application/json"));
    assert_eq!(page.json()["error"]["code"], json!("unknown_job"));
}

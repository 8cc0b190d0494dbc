//! The job editor: one job of one file, and nothing beside it.

use crate::http::Response;
use crate::world::World;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::os::unix::fs::symlink;

const JOBS: &str = "# Ask marin first.
hello~:        # twice a year
  schedule: '0 0 1 1,7 *'
  command: echo hello
  targets: 'web*'
  env: {PASSWORD: hunter2}

# Only for web1.
other~:
  schedule: '@yearly'
  command: echo other
  targets: web1
";

const NEW: &str = "hello~:\n  schedule: '30 2 * * *'\n  timezone: Europe/Berlin\n  command: echo changed  # now\n  targets: 'web*'\n  env: {PASSWORD: hunter3}\n";

async fn begin(world: &World, query: &str) -> Value {
    let answer = world.get(&format!("/api/v1/editor?{query}")).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

fn replacement(page: &Value, text: &str) -> Value {
    json!({
        "file": page["file"], "version": page["version"],
        "change": "replace", "job": page["job"], "text": text,
    })
}

async fn check(world: &World, edit: &Value) -> Value {
    let answer = world.post("/api/v1/editor/check", &edit.to_string()).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

async fn save(world: &World, edit: &Value) -> Response {
    world.put("/api/v1/editor", edit).await
}

/// Refused with this code, and a message or a detail that has these words.
fn refused(answer: &Response, status: u16, words: &str) {
    assert_eq!(answer.status, status, "{}", answer.text());
    assert!(answer.text().contains(words), "{}", answer.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_is_changed_in_place_and_in_force_with_the_answer() {
    let world = World::new(&[("jobs.yaml", JOBS)]).await;
    let page = begin(&world, "job=hello~").await;
    assert_eq!(
        (&page["file"], &page["line"]),
        (&json!("jobs.yaml"), &json!(2))
    );
    assert!(
        page["text"].as_str().unwrap().ends_with("hunter2}\n"),
        "{page}"
    );
    let edit = replacement(&page, NEW);

    let told = check(&world, &edit).await;
    assert_eq!(told["problems"], json!([]));
    assert_eq!(told["jobs"], json!([world.own("hello~")]));
    let lines = told["diff"].as_array().unwrap();
    assert!(lines.len() < 20, "{told}");
    assert_eq!(lines[0]["text"], "# Ask marin first.");
    let preview = world
        .post("/api/v1/editor/preview", &edit.to_string())
        .await
        .json();
    assert_eq!(preview["jobs"][0]["schedule"], "02:30 daily");
    assert_eq!(preview["jobs"][0]["upcoming"].as_array().unwrap().len(), 20);
    assert_eq!(
        world.read("jobs.yaml"),
        world.own(JOBS),
        "nothing is written yet"
    );

    let saved = save(&world, &edit).await;
    assert_eq!(saved.status, 200, "{}", saved.text());
    let old = JOBS
        .split_once("\n\n")
        .unwrap()
        .0
        .split_once('\n')
        .unwrap()
        .1;
    assert_eq!(
        world.read("jobs.yaml"),
        world.own(&JOBS.replace(&format!("{old}\n"), NEW))
    );
    let detail = world.get("/api/v1/jobs/hello~").await.json();
    assert_eq!(detail["row"]["command"], "echo changed");
    assert_eq!(
        begin(&world, "job=hello~").await["version"],
        saved.json()["version"]
    );

    // Saved a second time it would be an edit of another content.
    refused(&save(&world, &edit).await, 409, "has changed since");
    let trail = world.get("/api/v1/audit").await.text();
    let entry = trail
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .find(|entry| entry["kind"] == "change")
        .unwrap();
    assert_eq!(
        entry["deed"],
        world.own("changed job hello~ in jobs.yaml").as_str()
    );
    assert!(
        entry["old"].as_str().unwrap().contains("echo hello"),
        "{entry}"
    );
    assert!(
        entry["new"].as_str().unwrap().contains("echo changed"),
        "{entry}"
    );
    assert!(!trail.contains("hunter"), "{trail}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_on_disk_meanwhile_is_a_conflict_and_stays() {
    let world = World::new(&[("jobs.yaml", JOBS)]).await;
    let page = begin(&world, "job=hello~").await;
    let meanwhile = JOBS.replace("echo other", "echo theirs");
    world.write("jobs.yaml", &meanwhile);
    let edit = replacement(&page, NEW);
    refused(&save(&world, &edit).await, 409, "conflict");
    let answer = world.post("/api/v1/editor/check", &edit.to_string()).await;
    refused(&answer, 409, "conflict");
    world.remove("jobs.yaml");
    refused(&save(&world, &edit).await, 409, "conflict");
    world.write("jobs.yaml", &meanwhile);
    let again = begin(&world, "job=hello~").await;
    assert_eq!(save(&world, &replacement(&again, NEW)).await.status, 200);
    assert!(world.read("jobs.yaml").contains("echo theirs"));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_who_save_at_once_one_is_told() {
    let world = World::new(&[("jobs.yaml", JOBS)]).await;
    let page = begin(&world, "job=hello~").await;
    let other = begin(&world, "job=other~").await;
    let one = replacement(&page, NEW);
    let two = replacement(
        &other,
        "other~: {schedule: '@daily', command: x, targets: web1}",
    );
    let (one, two) = tokio::join!(save(&world, &one), save(&world, &two));
    let mut codes = [one.status, two.status];
    codes.sort_unstable();
    assert_eq!(codes, [200, 409]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_valid_is_told_where_and_not_written() {
    let more = "taken~: {schedule: '@daily', command: x, targets: '*'}\n";
    let world = World::new(&[("jobs.yaml", JOBS), ("more.yaml", more)]).await;
    let page = begin(&world, "job=hello~").await;
    let told = [
        "hello~:\n  schedule: '0 25 * * *'\n  command: x\n  targets: '*'\n  tiemout: 5\n",
        "hello~:\n  command: \"open\n  targets: x\n",
        "hello~:\n  command: x\n  targets: '*'\n",
        "other~:\n  schedule: '@daily'\n  command: x\n  targets: '*'\n",
        "taken~:\n  schedule: '@daily'\n  command: x\n  targets: '*'\n",
        "hello~: {}\nmore: {}\n",
        "saltpeter_config: {editor: true}\n",
        "",
    ];
    let mut lines = String::new();
    for text in told {
        let edit = replacement(&page, text);
        let problems = check(&world, &edit).await["problems"].take();
        for problem in problems.as_array().unwrap() {
            let (severity, message) = (problem["severity"].as_str(), problem["message"].as_str());
            let (line, column) = (&problem["line"], &problem["column"]);
            writeln!(
                lines,
                "{line}:{column} {} {}",
                severity.unwrap(),
                message.unwrap()
            )
            .unwrap();
        }
        refused(&save(&world, &edit).await, 422, "correct what is wrong");
        lines.push_str("--\n");
    }
    assert_eq!(world.read("jobs.yaml"), world.own(JOBS));
    insta::assert_snapshot!(lines.replace(&world.own("~"), "~"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_is_not_valid_is_mended_beside_another_that_is_not() {
    let text = "bad~:\n  schedule: '0 25 * * *'\n  command: x\n  targets: '*'\nworse~:\n  command: x\n  targets: '*'\n";
    let world = World::new(&[("jobs.yaml", text)]).await;
    let page = begin(&world, "job=bad~").await;
    let edit = replacement(
        &page,
        "bad~:\n  schedule: '0 5 * * *'\n  command: x\n  targets: '*'\n",
    );
    let told = check(&world, &edit).await;
    let problems = told["problems"].as_array().unwrap();
    assert_eq!(problems.len(), 1, "{told}");
    assert_eq!(
        (&problems[0]["severity"], &problems[0]["line"]),
        (&json!("warning"), &Value::Null)
    );
    assert_eq!(save(&world, &edit).await.status, 200);
    assert_eq!(world.get("/api/v1/jobs/bad~").await.status, 200);
    // What would break another is refused.
    let page = begin(&world, "job=bad~").await;
    let gone = json!({"file": "jobs.yaml", "version": page["version"], "change": "delete", "job": page["job"]});
    assert_eq!(save(&world, &gone).await.status, 200);
    assert_eq!(world.get("/api/v1/jobs/bad~").await.status, 404);
    assert!(world.read("jobs.yaml").starts_with(&world.own("worse~:\n")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_job_goes_to_the_end_of_its_file_or_makes_it() {
    let world = World::new(&[("jobs.yaml", JOBS)]).await;
    let page = begin(&world, "").await;
    assert_eq!(
        (&page["file"], &page["job"]),
        (&json!("jobs.yaml"), &Value::Null)
    );
    assert_eq!(page["files"], json!(["jobs.yaml", "settings.yaml"]));
    let text = "# from here\nnew~: {schedule: '@daily', command: x, targets: web1}\n";
    let add = |page: &Value| json!({"file": page["file"], "version": page["version"], "change": "add", "text": text});
    let saved = save(&world, &add(&page)).await;
    assert_eq!(saved.json()["jobs"], json!([world.own("new~")]));
    assert_eq!(
        world.read("jobs.yaml"),
        world.own(&format!("{JOBS}\n{text}"))
    );

    let page = begin(&world, "file=fresh.yaml").await;
    refused(
        &save(&world, &add(&page)).await,
        422,
        "already defined at jobs.yaml:",
    );
    let mut two = add(&page);
    two["text"] = json!(
        "a~: {schedule: '@daily', command: x, targets: web1}\nb~: {schedule: '@daily', command: x, targets: web1}\n"
    );
    assert_eq!(save(&world, &two).await.status, 200);
    assert_eq!(
        world.read("fresh.yaml"),
        world.own(two["text"].as_str().unwrap())
    );
    let row = world.get("/api/v1/jobs/b~").await.json();
    assert_eq!(row["row"]["group"], "fresh");
    // It is there now, which an edit that would make it does not know.
    refused(&save(&world, &two).await, 409, "conflict");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_name_and_no_link_leads_out_of_the_directory() {
    let world = World::new(&[("jobs.yaml", JOBS)]).await;
    let outside = world.path().join("outside.yaml");
    std::fs::write(&outside, world.own(JOBS)).unwrap();
    symlink(&outside, world.path().join("config/link.yaml")).unwrap();
    symlink("nowhere.yaml", world.path().join("config/dangling.yaml")).unwrap();
    let text = "new~: {schedule: '@daily', command: x, targets: web1}\n";
    for file in [
        "../outside.yaml",
        "../config/jobs.yaml",
        "/etc/passwd",
        "/etc/cron.yaml",
        "a/b.yaml",
        "..",
        "",
        ".hidden.yaml",
        "jobs.txt",
        "a b.yaml",
        "a\u{0}.yaml",
        "link.yaml",
        "dangling.yaml",
    ] {
        // The digest of nothing, which is what a file that is to be made has.
        let edit =
            json!({"file": file, "version": "e3b0c44298fc1c14", "change": "add", "text": text});
        refused(&save(&world, &edit).await, 422, "\"invalid\"");
        let answer = world.post("/api/v1/editor/check", &edit.to_string()).await;
        refused(&answer, 422, "\"invalid\"");
    }
    let answer = world.get("/api/v1/editor?file=../outside.yaml").await;
    refused(&answer, 422, "cannot be a file");
    let answer = world.get("/api/v1/editor?file=link.yaml").await;
    refused(&answer, 422, "outside of the configuration directory");
    assert_eq!(std::fs::read_to_string(&outside).unwrap(), world.own(JOBS));
    let names = || {
        let entries = std::fs::read_dir(world.path().join("config")).unwrap();
        entries.count()
    };
    assert_eq!(names(), 4);
    // A link within it is followed, and stays one.
    let inner = world.path().join("config/inner");
    std::fs::create_dir(&inner).unwrap();
    std::fs::write(inner.join("web.yaml"), "").unwrap();
    symlink("inner/web.yaml", world.path().join("config/web.yaml")).unwrap();
    let page = begin(&world, "file=web.yaml").await;
    let edit =
        json!({"file": "web.yaml", "version": page["version"], "change": "add", "text": text});
    assert_eq!(save(&world, &edit).await.status, 200);
    assert_eq!(
        std::fs::read_to_string(inner.join("web.yaml")).unwrap(),
        world.own(text)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn it_can_be_turned_off_and_that_takes_effect_at_once() {
    let off = "saltpeter_config: {editor: false}\n";
    let world = World::new(&[("jobs.yaml", JOBS), ("editor.yaml", off)]).await;
    let overview = world.get("/api/v1/overview").await.json();
    assert_eq!(overview["server"]["editor"], false);
    let edit = json!({"file": "jobs.yaml", "version": "x", "change": "delete", "job": "hello~"});
    for answer in [
        world.get("/api/v1/editor?job=hello~").await,
        world.post("/api/v1/editor/check", &edit.to_string()).await,
        world
            .post("/api/v1/editor/preview", &edit.to_string())
            .await,
        save(&world, &edit).await,
    ] {
        refused(&answer, 403, "`editor: false`");
    }
    // Nor is there a way to turn it on from here.
    let page = json!({"file": "editor.yaml", "version": "x", "change": "replace", "job": "saltpeter_config", "text": ""});
    refused(&save(&world, &page).await, 403, "`editor: false`");
    assert_eq!(world.read("jobs.yaml"), world.own(JOBS));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_cannot_be_edited_without_loss_says_why() {
    let world = World::new(&[
        (
            "one.yaml",
            "{one~: {schedule: '@daily', command: x, targets: web1}}\n",
        ),
        ("jobs.yaml", JOBS),
    ])
    .await;
    refused(
        &world.get("/api/v1/editor?job=one~").await,
        422,
        "the file is one '{ }'",
    );
    refused(
        &world.get("/api/v1/editor?job=nobody").await,
        404,
        "unknown_job",
    );
    refused(
        &world.get("/api/v1/editor?job=saltpeter_config").await,
        404,
        "unknown_job",
    );
    let answer = world.get("/api/v1/editor?job=hello~&file=jobs.yaml").await;
    refused(&answer, 400, "not both");
    let settings = begin(&world, "file=settings.yaml").await;
    let edit = json!({"file": "settings.yaml", "version": settings["version"], "change": "delete", "job": "saltpeter_config"});
    refused(&save(&world, &edit).await, 404, "unknown_job");
}

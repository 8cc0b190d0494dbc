//! What a job would do, before it is saved.

use crate::world::World;
use serde_json::{Value, json};

async fn preview(world: &World, body: &Value) -> Value {
    let answer = world.post("/api/v1/preview", &body.to_string()).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_is_told_its_problems_its_times_and_its_machines() {
    let world = World::new(&[("more.yaml", "saltpeter_maintenance:\n  machines: [web2]\n")]).await;
    let yaml = "new:\n  schedule: '30 2 * * *'\n  timezone: Europe/Berlin\n  command: x\n  targets: 'web*'\n  number_of_targets: 1\n  tiemout: 3\nbad:\n  schedule: '0 25 * * *'\n  command: x\n  targets: '*'\n";
    let told = preview(&world, &json!({"yaml": yaml, "file": "web.yaml"})).await;
    let problems = told["problems"].as_array().unwrap();
    let place = |at: usize| {
        let problem = &problems[at];
        let (file, line) = (problem["file"].as_str().unwrap(), &problem["line"]);
        format!("{file}:{line} {}", problem["severity"].as_str().unwrap())
    };
    assert_eq!(problems.len(), 2, "{told}");
    assert_eq!(place(0), "web.yaml:7 warning");
    assert_eq!(place(1), "web.yaml:9 error");

    assert_eq!(told["jobs"].as_array().unwrap().len(), 1, "{told}");
    let job = &told["jobs"][0];
    assert_eq!(job["schedule"], "02:30 daily");
    assert_eq!(job["takes"], 1);
    let times = job["upcoming"].as_array().unwrap();
    assert_eq!(times.len(), 20);
    assert!(times[0]["at"].as_i64().unwrap() > world.now().0);
    let machines: Vec<(&str, &str)> = job["machines"]["Ok"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| {
            (
                row["machine"].as_str().unwrap(),
                row["verdict"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        machines,
        [
            ("db1", "not_matched"),
            ("web1", "included"),
            ("web2", "maintenance")
        ]
    );
    // It is a question: nothing has come of it.
    let jobs = world.get("/api/v1/overview").await.json();
    assert_eq!(jobs["jobs"].as_array().unwrap().len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_that_is_none_is_told_so() {
    let world = World::new(&[]).await;
    let told = preview(&world, &json!({"yaml": "a: ["})).await;
    assert_eq!(told["problems"][0]["file"], "job.yaml");
    assert_eq!(told["jobs"].as_array().unwrap().len(), 0);
    let jobs =
        (0..30).map(|n| format!("j{n:02}: {{schedule: '@daily', command: x, targets: '*'}}\n"));
    let many = jobs.collect::<Vec<_>>().concat();
    let told = preview(&world, &json!({"yaml": many})).await;
    assert_eq!(told["jobs"].as_array().unwrap().len(), 10);
    for (body, status) in [
        (r#"{"yaml": "", "file": "../web.yaml"}"#, 422),
        (r#"{"yaml": "", "file": "web.txt"}"#, 422),
        ("{}", 400),
    ] {
        let answer = world.post("/api/v1/preview", body).await;
        assert_eq!(answer.status, status, "{body}: {}", answer.text());
    }
}

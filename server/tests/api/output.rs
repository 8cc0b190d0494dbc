//! Searching output, merging it, grouping machines by it, and taking all of it along.

use crate::world::World;
use saltpeter_protocol::api::{LinesPage, SameOutput, SearchHit, SearchStep};
use std::io::Read as _;

const JOBS: &str = r#"
talk~:
  schedule: '@yearly'
  # What goes into two pipes comes out in any order, so those that are to be alike use one.
  command: >-
    for i in 1 2 3; do echo "line $i of 3"; done;
    if [ $SP_MACHINE_ID = db1 ]; then to=2; else to=1; fi;
    printf "an e\033[31mrr\033[0mor\n" >&$to;
    [ $SP_MACHINE_ID != db1 ] || echo "and one more"
  targets: '*'
"#;

#[tokio::test(flavor = "multi_thread")]
async fn output_is_searched_merged_grouped_and_packed() {
    let world = World::new(&[("jobs.yaml", JOBS)]).await;
    let run = world.run("talk~").await;
    world.ended(&run).await;
    let machine = format!("/api/v1/runs/{run}/machines/db1/output");
    let all = format!("/api/v1/runs/{run}/output");

    let step: SearchStep = read(&world, &format!("{machine}/search?q=error")).await;
    assert_eq!((step.count, step.next), (1, None));
    assert_eq!(
        (step.hits[0].from, step.hits[0].to),
        (3, 8),
        "without the escape sequences"
    );
    let query = "search?q=%5E(line%7CAND)%20.n%3F&regex=true&skip=1&limit=1";
    let step: SearchStep = read(&world, &format!("{machine}/{query}")).await;
    // The second of the lines, whether or not the one of the other pipe has come between.
    assert!(
        matches!(
            step.hits[..],
            [SearchHit {
                line: 1 | 2,
                from: 0,
                to: 6
            }]
        ),
        "{:?}",
        step.hits
    );

    let page: LinesPage = read(&world, &format!("{all}/lines?machines=web1+db1")).await;
    assert_eq!(page.machines.len(), 2);
    assert_eq!(page.lines.len(), 4 + 5);
    assert!(page.lines.is_sorted_by_key(|line| line.at));
    assert!(!page.has_before && !page.has_after);
    let path = format!("{all}/lines?machines=web1+db1&stderr=true&limit=1");
    let page: LinesPage = read(&world, &path).await;
    assert_eq!(page.lines.len(), 1);
    assert!(page.lines[0].stderr && page.has_before);

    let groups: Vec<SameOutput> = read(&world, &format!("{all}/same")).await;
    let names: Vec<Vec<&str>> = groups
        .iter()
        .map(|group| group.machines.iter().map(AsRef::as_ref).collect())
        .collect();
    assert_eq!(names, [vec!["web1", "web2"], vec!["db1"]]);
    assert_eq!(groups[1].length.lines, 5);

    let answer = world.get(&format!("{all}/archive")).await;
    let name = format!("attachment; filename=\"{run}.tar\"");
    assert_eq!(answer.header("content-disposition"), Some(name.as_str()));
    let mut archive = tar::Archive::new(answer.body.as_slice());
    let mut packed = Vec::new();
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let path = entry.path().unwrap().display().to_string();
        let mut text = String::new();
        entry.read_to_string(&mut text).unwrap();
        packed.push((path, text));
    }
    let expected = ["db1", "web1", "web2"].map(|machine| format!("{run}/{machine}.log"));
    assert_eq!(
        packed
            .iter()
            .map(|(path, _)| path.clone())
            .collect::<Vec<_>>(),
        expected
    );
    assert_eq!(packed[0].1, world.output(&run, "db1").await);

    // The page says it too, without a browser's help.
    let page = world.get(&format!("/runs/{run}?merged=web1%20db1")).await;
    let page = String::from_utf8_lossy(&page.body).into_owned();
    assert!(page.contains("identical on 2 machines"), "{page}");
    assert_eq!(page.matches("data-testid=\"listing-line\"").count(), 9);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_answered_is_told_why() {
    let world = World::new(&[("jobs.yaml", JOBS)]).await;
    let run = world.run("talk~").await;
    world.ended(&run).await;
    let many = (0..17)
        .map(|n| format!("m{n}"))
        .collect::<Vec<_>>()
        .join("+");
    let mut told = Vec::new();
    for path in [
        format!("/api/v1/runs/{run}/machines/db1/output/search"),
        format!("/api/v1/runs/{run}/machines/db1/output/search?q="),
        format!("/api/v1/runs/{run}/machines/db1/output/search?q=(&regex=true"),
        format!("/api/v1/runs/{run}/machines/nobody/output/search?q=a"),
        format!("/api/v1/runs/{run}/output/lines?machines="),
        format!("/api/v1/runs/{run}/output/lines?machines={many}"),
        format!("/api/v1/runs/{run}/output/lines?machines=db1+web1&attempt=1"),
        format!("/api/v1/runs/{run}/output/lines?machines=db1&at=1,2"),
        "/api/v1/runs/talk~_1/output/archive".to_owned(),
        "/api/v1/runs/talk_1/output/same".to_owned(),
    ] {
        let path = world.own(&path);
        let answer = world.get(&path).await;
        let (code, message) = answer.error();
        told.push(format!("{} {code}: {message}", answer.status));
    }
    let told = told.join("\n").replace(run.as_str(), "RUN");
    let told = told.replace(&world.own("talk~"), "talk");
    insta::assert_snapshot!(told);
}

async fn read<T: serde::de::DeserializeOwned>(world: &World, path: &str) -> T {
    let answer = world.get(path).await;
    let text = String::from_utf8_lossy(&answer.body);
    assert_eq!(answer.status, 200, "{path}: {text}");
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{path}: {error}: {text}"))
}

//! The questions that the store asks of its tables.

use super::*;

#[tokio::test]
async fn every_question_is_answered_by_an_index() {
    let bed = Bed::new().await;
    let questions = [
        query::run(),
        query::machines(),
        query::unfinished(),
        query::unfinished_machines(),
        query::newest_over(),
        query::history(),
        query::active(),
        query::newest_attempt(),
        query::meta(),
        query::by_instant(),
        query::deleted(),
        retention::query::JOBS.to_owned(),
        retention::query::OLDEST.to_owned(),
        retention::query::OLDEST_OF_ALL.to_owned(),
        retention::query::UNMEASURED.to_owned(),
        retention::query::BY_SEQ.to_owned(),
        retention::query::SET_OUTPUT.to_owned(),
        retention::query::DELETE_MACHINES.to_owned(),
        retention::query::NOTE_DELETED.to_owned(),
        retention::query::DELETE_RUN.to_owned(),
        "SELECT seq FROM audit WHERE at < ? ORDER BY at LIMIT ?".to_owned(),
        format!(
            "{}< ? ORDER BY seq DESC LIMIT ?",
            crate::store::audit::query::READ
        ),
        format!(
            "{}< ? AND who = ? ORDER BY seq DESC LIMIT ?",
            crate::store::audit::query::READ
        ),
        format!(
            "{}> ? AND kind = ? ORDER BY seq LIMIT ?",
            crate::store::audit::query::READ
        ),
        crate::store::audit::query::MAINTENANCE.to_owned(),
        of_past::query::RATE.to_owned(),
        of_past::query::SLOWEST.to_owned(),
        of_past::query::SUCCESS.to_owned(),
        of_past::query::SUCCEEDED.to_owned(),
        of_past::query::SPEC.to_owned(),
        of_past::query::SPEC_AND_JOB.to_owned(),
        // What the triggers ask.
        "SELECT * FROM run_results WHERE seq = ?".to_owned(),
        "SELECT * FROM machine_results AS found JOIN runs ON runs.seq = found.run_seq \
         WHERE found.run_seq = ? AND found.machine = ?"
            .to_owned(),
        "DELETE FROM job_days WHERE job = ? AND day < ?".to_owned(),
        "DELETE FROM machine_days WHERE day < ?".to_owned(),
        "UPDATE machine_days SET results = ? WHERE machine = ? AND day = ?".to_owned(),
        "DELETE FROM job_machines WHERE job = ? AND machine = ?".to_owned(),
        "DELETE FROM job_machines WHERE job = ?".to_owned(),
        "SELECT 1 FROM runs WHERE job = ?".to_owned(),
        "UPDATE runs SET ended = ? WHERE id = ?".to_owned(),
        "DELETE FROM pauses WHERE job = ?".to_owned(),
    ];
    for question in questions {
        let plan = plan(&bed, &question).await;
        for step in &plan {
            let by_index = step.contains("USING INDEX")
                || step.contains("USING COVERING INDEX")
                || step.contains("USING INTEGER PRIMARY KEY")
                || step.contains("USING PRIMARY KEY")
                || step.starts_with("LIST SUBQUERY")
                || step.starts_with("CORRELATED SCALAR SUBQUERY")
                || step.starts_with("CREATE BLOOM FILTER");
            assert!(
                by_index && !step.contains("TEMP B-TREE"),
                "{question}: {plan:?}"
            );
        }
    }
}

/// The indexes hold all that is asked: not a row is looked at, however many runs there are.
#[tokio::test]
async fn what_goes_is_found_in_the_indexes_made_for_it() {
    let bed = Bed::new().await;
    let of_job = "SEARCH runs USING COVERING INDEX runs_over (job=? AND ended>?)";
    for (question, steps) in [
        (
            retention::query::JOBS,
            ["SEARCH job_kept USING PRIMARY KEY (job>?)", of_job].as_slice(),
        ),
        (retention::query::OLDEST, &[of_job]),
        (
            retention::query::OLDEST_OF_ALL,
            &[
                "SEARCH old USING COVERING INDEX runs_with_output (ended>? AND ended<?)",
                of_job,
            ],
        ),
    ] {
        let mut plan = plan(&bed, question).await;
        plan.retain(|step| !step.contains("SUBQUERY"));
        assert_eq!(plan, steps, "{question}");
    }
}

/// How the database finds the answer to a question.
async fn plan(bed: &Bed, question: &str) -> Vec<String> {
    let mut ask = sqlx::query(AssertSqlSafe(format!("EXPLAIN QUERY PLAN {question}")));
    for _ in 0..question.matches('?').count() {
        ask = ask.bind(1);
    }
    ask.fetch_all(&bed.store.readers)
        .await
        .unwrap()
        .iter()
        .map(|row| row.get::<String, _>("detail"))
        .collect()
}

//! Writing runs and their machines.

use crate::runs::{CreateError, NewRun, RunWrite};
use crate::store::read::query;
use crate::store::row::{corrupt, to_json, to_json_if};
use crate::store::{StoreError, past};
use saltpeter_domain::run::{MachineRun, Run};
use saltpeter_protocol::{JobName, MachineId, RunId, RunOutcome, RunState};
use sqlx::{AssertSqlSafe, QueryBuilder, Row, Sqlite, SqliteConnection};

/// Machines in one statement; the database takes 32766 arguments.
const MACHINES_PER_STATEMENT: usize = 1000;

/// Remembers the newest instant of a job that is done with.
pub(super) async fn note_instant(
    connection: &mut SqliteConnection,
    job: &JobName,
    instant: i64,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO job_instants (job, instant) VALUES (?, ?) ON CONFLICT (job) \
         DO UPDATE SET instant = excluded.instant WHERE excluded.instant > job_instants.instant",
    )
    .bind(job.as_str())
    .bind(instant)
    .execute(connection)
    .await?;
    Ok(())
}

/// Writes a run down under the first free name of its second.
pub(super) async fn create(
    connection: &mut SqliteConnection,
    new: &NewRun,
) -> Result<Result<Run, CreateError>, StoreError> {
    let instant = new.cause.instant().map(|instant| instant.0);
    if let Some(instant) = instant {
        let earlier = sqlx::query(AssertSqlSafe(query::by_instant()))
            .bind(new.job.as_str())
            .bind(instant)
            .fetch_optional(&mut *connection)
            .await?;
        if let Some(earlier) = earlier {
            let id: RunId = earlier
                .try_get::<String, _>(0)?
                .parse()
                .map_err(|e| corrupt("a run's name", &e))?;
            return Ok(Err(CreateError::AlreadyStarted(id)));
        }
        let deleted: Option<i64> = sqlx::query_scalar(AssertSqlSafe(query::deleted()))
            .bind(new.job.as_str())
            .fetch_optional(&mut *connection)
            .await?
            .flatten();
        if deleted.is_some_and(|deleted| instant <= deleted) {
            return Ok(Err(CreateError::Deleted));
        }
        note_instant(connection, &new.job, instant).await?;
    }
    let mut ordinal = 1;
    loop {
        let run = new.named(RunId::compose(&new.job, new.created, ordinal));
        if insert(connection, &run, instant).await? {
            return Ok(Ok(run));
        }
        ordinal += 1;
    }
}

/// False when the name is taken.
async fn insert(
    connection: &mut SqliteConnection,
    run: &Run,
    instant: Option<i64>,
) -> Result<bool, StoreError> {
    let head = run.head();
    let result = sqlx::query(
        "INSERT INTO runs (id, job, instant, created, ended, cause, state, counts, running_on, spec, \
         only_machines, reconnect_grace) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING",
    )
    .bind(head.id.as_str())
    .bind(head.job.as_str())
    .bind(instant)
    .bind(head.created.0)
    .bind(ended(&head.state))
    .bind(to_json(&head.cause)?)
    .bind(to_json(&head.state)?)
    .bind(to_json(&run.counts())?)
    .bind(to_json(&run.running_on())?)
    .bind(if run.is_settled() {
        to_json(&head.spec.without_values())?
    } else {
        to_json(&*head.spec)?
    })
    .bind(to_json_if(head.only.as_ref())?)
    .bind(i64::try_from(head.reconnect_grace.as_millis()).unwrap_or(i64::MAX))
    .execute(connection)
    .await?;
    Ok(result.rows_affected() == 1)
}

fn ended(state: &RunState) -> Option<i64> {
    match state {
        RunState::Ended { at, .. } => Some(at.0),
        RunState::Queued | RunState::Resolving | RunState::Running => None,
    }
}

pub(super) async fn save(
    connection: &mut SqliteConnection,
    write: &RunWrite,
) -> Result<(), StoreError> {
    // How much output there is of a run that changes after its end is to be asked anew.
    let seq: Option<i64> = sqlx::query_scalar(
        "UPDATE runs SET output_bytes = NULL, state = ?, ended = ?, kill_asked = ?, stopped = ?, counts = ?, running_on = ? WHERE id = ? RETURNING seq",
    )
    .bind(to_json(&write.state)?)
    .bind(ended(&write.state))
    .bind(to_json_if(write.kill.as_ref())?)
    .bind(to_json_if(write.stopped.as_ref())?)
    .bind(to_json(&write.counts)?)
    .bind(to_json(&write.running_on)?)
    .bind(write.id.as_str())
    .fetch_optional(&mut *connection)
    .await?;
    let Some(seq) = seq else {
        tracing::warn!(run = %write.id, "a change of a run came to nothing: the run has been deleted");
        return Ok(());
    };
    if let RunState::Ended {
        at,
        outcome: RunOutcome::Succeeded,
    } = write.state
    {
        past::note_success(connection, &write.id, at).await?;
    }
    if let Some(spec) = &write.settled {
        sqlx::query("UPDATE runs SET spec = ? WHERE seq = ?")
            .bind(to_json(&**spec)?)
            .bind(seq)
            .execute(&mut *connection)
            .await?;
    }
    for some in write.machines.chunks(MACHINES_PER_STATEMENT) {
        save_machines(connection, seq, some).await?;
    }
    Ok(())
}

async fn save_machines(
    connection: &mut SqliteConnection,
    seq: i64,
    machines: &[(MachineId, MachineRun)],
) -> Result<(), StoreError> {
    let mut rows = Vec::with_capacity(machines.len());
    for (id, machine) in machines {
        rows.push((
            id,
            to_json(&machine.state)?,
            machine.pid.map(i64::from),
            to_json_if(machine.bound.as_ref())?,
            to_json_if(machine.kill.as_ref())?,
            to_json_if(Some(&machine.earlier).filter(|earlier| !earlier.is_empty()))?,
            to_json_if(machine.replaced.as_ref())?,
        ));
    }
    let mut upsert = QueryBuilder::<Sqlite>::new(
        "INSERT INTO run_machines (run_seq, machine, state, pid, bound, kill_asked, earlier, replaced) ",
    );
    upsert.push_values(
        rows,
        |mut row, (id, state, pid, bound, kill, earlier, replaced)| {
            row.push_bind(seq)
                .push_bind(id.as_str())
                .push_bind(state)
                .push_bind(pid)
                .push_bind(bound)
                .push_bind(kill)
                .push_bind(earlier)
                .push_bind(replaced);
        },
    );
    upsert.push(
        " ON CONFLICT (run_seq, machine) DO UPDATE SET state = excluded.state, pid = excluded.pid, \
         bound = excluded.bound, kill_asked = excluded.kill_asked, earlier = excluded.earlier, \
         replaced = excluded.replaced",
    );
    // Statements for few machines are prepared once and kept; long ones would crowd them out.
    upsert
        .build()
        .persistent(machines.len() <= 4)
        .execute(connection)
        .await?;
    Ok(())
}

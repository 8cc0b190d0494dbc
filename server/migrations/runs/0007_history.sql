-- What a job's page says of its past. The runs themselves are too many to be counted whenever somebody asks, so they are
-- counted as they end, in the same transaction: triggers see every way by which a row changes. A result that changes
-- after its end, such as that of a machine that was lost and has come back, is taken out again and counted anew.

-- How a run counts. The words are those of RunOutcome.
CREATE VIEW run_results AS
SELECT
    seq,
    job,
    ended / 86400000 AS day,
    kind = 'succeeded' AS succeeded,
    kind IN ('failed', 'timed_out', 'lost', 'no_targets', 'resolve_failed') AS failed,
    kind NOT IN ('succeeded', 'failed', 'timed_out', 'lost', 'no_targets', 'resolve_failed') AS other
FROM (SELECT seq, job, ended, json_extract(state, '$.outcome.kind') AS kind FROM runs WHERE ended IS NOT NULL);

-- How a machine of a run counts, if anything was tried there. The words are those of MachineOutcome. How long it took is
-- known of a command that has come to its own end or run into its timeout.
CREATE VIEW machine_results AS
SELECT
    run_seq,
    machine,
    kind <> 'succeeded' AS failed,
    since IS NOT NULL AND kind IN ('succeeded', 'failed', 'timed_out') AS timed,
    CASE WHEN since IS NOT NULL AND kind IN ('succeeded', 'failed', 'timed_out') THEN MAX(at - since, 0) ELSE 0 END AS took
FROM (
    SELECT
        run_seq,
        machine,
        json_extract(state, '$.outcome.kind') AS kind,
        json_extract(state, '$.since') AS since,
        json_extract(state, '$.at') AS at
    FROM run_machines
    WHERE json_extract(state, '$.state') = 'ended'
)
WHERE kind NOT IN ('maintenance', 'not_attempted');

-- A job's runs by the day on which they ended. It outlasts the runs, for 400 days.
CREATE TABLE job_days (
    job       TEXT   NOT NULL,
    day       BIGINT NOT NULL, -- days since 1970, UTC
    succeeded BIGINT NOT NULL,
    failed    BIGINT NOT NULL,
    other     BIGINT NOT NULL, -- killed, skipped, missed, under maintenance
    PRIMARY KEY (job, day)
) WITHOUT ROWID;

-- A job's machines, over the runs that are kept.
CREATE TABLE job_machines (
    job     TEXT   NOT NULL,
    machine TEXT   NOT NULL,
    results BIGINT NOT NULL,
    failed  BIGINT NOT NULL,
    timed   BIGINT NOT NULL, -- results of which it is known how long they took
    took    BIGINT NOT NULL, -- ms, of all of those
    mean    BIGINT NOT NULL, -- ms
    PRIMARY KEY (job, machine)
) WITHOUT ROWID;

CREATE INDEX job_machines_slowest ON job_machines (job, mean);

-- A job's newest success, which may be deleted before it is asked for.
CREATE TABLE job_successes (
    job    TEXT   NOT NULL PRIMARY KEY,
    run    TEXT   NOT NULL,
    ended  BIGINT NOT NULL, -- ms
    config TEXT             -- what the run was begun with, JSON, without values of the environment; NULL: see the run
);

INSERT INTO job_days (job, day, succeeded, failed, other)
SELECT job, day, SUM(succeeded), SUM(failed), SUM(other) FROM run_results GROUP BY job, day;

INSERT INTO job_machines (job, machine, results, failed, timed, took, mean)
SELECT
    runs.job,
    found.machine,
    COUNT(*),
    SUM(found.failed),
    SUM(found.timed),
    SUM(found.took),
    CASE WHEN SUM(found.timed) > 0 THEN SUM(found.took) / SUM(found.timed) ELSE 0 END
FROM machine_results AS found JOIN runs ON runs.seq = found.run_seq
GROUP BY runs.job, found.machine;

INSERT INTO job_successes (job, run, ended)
SELECT runs.job, runs.id, runs.ended
FROM runs JOIN (
    SELECT MAX(seq) AS seq FROM run_results WHERE succeeded GROUP BY job
) AS newest ON newest.seq = runs.seq;

CREATE TRIGGER run_counts_at_once AFTER INSERT ON runs WHEN NEW.ended IS NOT NULL
BEGIN
    INSERT INTO job_days (job, day, succeeded, failed, other)
    SELECT job, day, succeeded, failed, other FROM run_results WHERE seq = NEW.seq
    ON CONFLICT (job, day) DO UPDATE SET
        succeeded = succeeded + excluded.succeeded, failed = failed + excluded.failed, other = other + excluded.other;
END;

CREATE TRIGGER run_counts_no_more BEFORE UPDATE OF state, ended ON runs WHEN OLD.ended IS NOT NULL
BEGIN
    UPDATE job_days SET
        succeeded = job_days.succeeded - found.succeeded,
        failed = job_days.failed - found.failed,
        other = job_days.other - found.other
    FROM run_results AS found
    WHERE found.seq = OLD.seq AND job_days.job = OLD.job AND job_days.day = found.day;
END;

CREATE TRIGGER run_counts AFTER UPDATE OF state, ended ON runs WHEN NEW.ended IS NOT NULL
BEGIN
    INSERT INTO job_days (job, day, succeeded, failed, other)
    SELECT job, day, succeeded, failed, other FROM run_results WHERE seq = NEW.seq
    ON CONFLICT (job, day) DO UPDATE SET
        succeeded = succeeded + excluded.succeeded, failed = failed + excluded.failed, other = other + excluded.other;
END;

CREATE TRIGGER days_are_forgotten AFTER INSERT ON job_days
BEGIN
    DELETE FROM job_days WHERE job = NEW.job AND day < NEW.day - 400;
END;

CREATE TRIGGER machine_counts_at_once AFTER INSERT ON run_machines WHEN json_extract(NEW.state, '$.state') = 'ended'
BEGIN
    INSERT INTO job_machines (job, machine, results, failed, timed, took, mean)
    SELECT runs.job, found.machine, 1, found.failed, found.timed, found.took, found.took
    FROM machine_results AS found JOIN runs ON runs.seq = found.run_seq
    WHERE found.run_seq = NEW.run_seq AND found.machine = NEW.machine
    ON CONFLICT (job, machine) DO UPDATE SET
        results = results + 1,
        failed = failed + excluded.failed,
        timed = timed + excluded.timed,
        took = took + excluded.took,
        mean = CASE WHEN timed + excluded.timed > 0 THEN (took + excluded.took) / (timed + excluded.timed) ELSE 0 END;
END;

CREATE TRIGGER machine_counts_no_more BEFORE UPDATE OF state ON run_machines WHEN json_extract(OLD.state, '$.state') = 'ended'
BEGIN
    UPDATE job_machines SET
        results = job_machines.results - 1,
        failed = job_machines.failed - found.failed,
        timed = job_machines.timed - found.timed,
        took = job_machines.took - found.took,
        mean = CASE WHEN job_machines.timed > found.timed
            THEN (job_machines.took - found.took) / (job_machines.timed - found.timed) ELSE 0 END
    FROM machine_results AS found JOIN runs ON runs.seq = found.run_seq
    WHERE found.run_seq = OLD.run_seq AND found.machine = OLD.machine
        AND job_machines.job = runs.job AND job_machines.machine = OLD.machine;
END;

CREATE TRIGGER machine_counts AFTER UPDATE OF state ON run_machines WHEN json_extract(NEW.state, '$.state') = 'ended'
BEGIN
    INSERT INTO job_machines (job, machine, results, failed, timed, took, mean)
    SELECT runs.job, found.machine, 1, found.failed, found.timed, found.took, found.took
    FROM machine_results AS found JOIN runs ON runs.seq = found.run_seq
    WHERE found.run_seq = NEW.run_seq AND found.machine = NEW.machine
    ON CONFLICT (job, machine) DO UPDATE SET
        results = results + 1,
        failed = failed + excluded.failed,
        timed = timed + excluded.timed,
        took = took + excluded.took,
        mean = CASE WHEN timed + excluded.timed > 0 THEN (took + excluded.took) / (timed + excluded.timed) ELSE 0 END;
END;

CREATE TRIGGER machine_is_deleted BEFORE DELETE ON run_machines WHEN json_extract(OLD.state, '$.state') = 'ended'
BEGIN
    UPDATE job_machines SET
        results = job_machines.results - 1,
        failed = job_machines.failed - found.failed,
        timed = job_machines.timed - found.timed,
        took = job_machines.took - found.took,
        mean = CASE WHEN job_machines.timed > found.timed
            THEN (job_machines.took - found.took) / (job_machines.timed - found.timed) ELSE 0 END
    FROM machine_results AS found JOIN runs ON runs.seq = found.run_seq
    WHERE found.run_seq = OLD.run_seq AND found.machine = OLD.machine
        AND job_machines.job = runs.job AND job_machines.machine = OLD.machine;
END;

-- Machines without a result that is kept are not known any more.
CREATE TRIGGER machine_is_forgotten AFTER UPDATE OF results ON job_machines WHEN NEW.results <= 0
BEGIN
    DELETE FROM job_machines WHERE job = NEW.job AND machine = NEW.machine;
END;

-- With its last run a job goes, so that names that are no more take no room.
CREATE TRIGGER job_is_forgotten AFTER DELETE ON runs WHEN NOT EXISTS (SELECT 1 FROM runs WHERE job = OLD.job)
BEGIN
    DELETE FROM job_days WHERE job = OLD.job;
    DELETE FROM job_machines WHERE job = OLD.job;
    DELETE FROM job_successes WHERE job = OLD.job;
END;

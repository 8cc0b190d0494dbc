-- What the deletion of old runs goes by without reading all of them: how many a job has and how much output, counted as 0007
-- counts, in the same transaction, and the order in which those with output go.

-- A job's ended runs.
CREATE TABLE job_kept (
    job   TEXT   NOT NULL PRIMARY KEY,
    runs  BIGINT NOT NULL,
    bytes BIGINT NOT NULL -- of output, as far as it is known
) WITHOUT ROWID;

-- Those that make room when they go, the oldest first. Answers what it is asked without a look at the rows.
CREATE INDEX runs_with_output ON runs (ended, seq, job, output_bytes) WHERE output_bytes > 0;

INSERT INTO job_kept (job, runs, bytes)
SELECT job, COUNT(*), SUM(COALESCE(output_bytes, 0)) FROM runs WHERE ended IS NOT NULL GROUP BY job;

CREATE TRIGGER run_is_kept_at_once AFTER INSERT ON runs WHEN NEW.ended IS NOT NULL
BEGIN
    INSERT INTO job_kept (job, runs, bytes) VALUES (NEW.job, 1, COALESCE(NEW.output_bytes, 0))
    ON CONFLICT (job) DO UPDATE SET runs = runs + 1, bytes = bytes + excluded.bytes;
END;

CREATE TRIGGER run_is_kept AFTER UPDATE OF ended, output_bytes ON runs WHEN OLD.ended IS NOT NULL OR NEW.ended IS NOT NULL
BEGIN
    INSERT INTO job_kept (job, runs, bytes) VALUES (
        NEW.job,
        (NEW.ended IS NOT NULL) - (OLD.ended IS NOT NULL),
        CASE WHEN NEW.ended IS NULL THEN 0 ELSE COALESCE(NEW.output_bytes, 0) END
            - CASE WHEN OLD.ended IS NULL THEN 0 ELSE COALESCE(OLD.output_bytes, 0) END
    )
    ON CONFLICT (job) DO UPDATE SET runs = runs + excluded.runs, bytes = bytes + excluded.bytes;
END;

CREATE TRIGGER run_is_kept_no_more AFTER DELETE ON runs WHEN OLD.ended IS NOT NULL
BEGIN
    UPDATE job_kept SET runs = runs - 1, bytes = bytes - COALESCE(OLD.output_bytes, 0) WHERE job = OLD.job;
    DELETE FROM job_kept WHERE job = OLD.job AND runs <= 0;
END;

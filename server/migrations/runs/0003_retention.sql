-- What the deletion of old runs goes by.

ALTER TABLE runs ADD COLUMN output_bytes BIGINT; -- NULL: not known, or changed since

-- Answers what it is asked without a look at the rows.
DROP INDEX runs_over;
CREATE INDEX runs_over ON runs (job, ended, seq, output_bytes) WHERE ended IS NOT NULL;
CREATE INDEX runs_unmeasured ON runs (ended, seq) WHERE ended IS NOT NULL AND output_bytes IS NULL;

-- The newest scheduled instant of a run that has been deleted: there is none up to it any more, and none may start.
ALTER TABLE job_instants ADD COLUMN deleted BIGINT;

-- What lists of runs and machines go by. The columns are computed from the documents, so that nothing can get out of step.

ALTER TABLE runs ADD COLUMN outcome TEXT
    GENERATED ALWAYS AS (COALESCE(json_extract(state, '$.outcome.kind'), 'running')) VIRTUAL;
ALTER TABLE runs ADD COLUMN cause_kind TEXT
    GENERATED ALWAYS AS (json_extract(cause, '$.kind')) VIRTUAL;

CREATE INDEX runs_outcome ON runs (outcome, seq);
CREATE INDEX runs_job_outcome ON runs (job, outcome, seq);
CREATE INDEX runs_cause ON runs (cause_kind, seq);
CREATE INDEX runs_created ON runs (created, seq);
CREATE INDEX runs_ended ON runs (ended) WHERE ended IS NOT NULL;

ALTER TABLE run_machines ADD COLUMN outcome TEXT -- NULL while it has none
    GENERATED ALWAYS AS (json_extract(state, '$.outcome.kind')) VIRTUAL;
ALTER TABLE run_machines ADD COLUMN heard BIGINT -- ms: when its command ended, was last heard of or began; NULL: nothing yet
    GENERATED ALWAYS AS (CASE json_extract(state, '$.state')
        WHEN 'running' THEN json_extract(state, '$.since')
        WHEN 'lost_contact' THEN json_extract(state, '$.last_heard')
        WHEN 'ended' THEN json_extract(state, '$.at')
    END) VIRTUAL;

-- A machine's newest results stand together in it.
CREATE INDEX run_machines_machine ON run_machines (machine, run_seq, outcome, heard);

-- Runs, their machines, and what else is to survive a restart. Documents (states, causes, the frozen job) are
-- JSON; what is searched by has a column of its own.

CREATE TABLE runs (
    seq                INTEGER PRIMARY KEY, -- the order in which runs were written down
    id                 TEXT    NOT NULL,
    job                TEXT    NOT NULL,
    instant            BIGINT,              -- the scheduled instant, ms; NULL when a person asked
    created            BIGINT  NOT NULL,    -- ms
    ended              BIGINT,              -- ms; NULL while it is not over
    cause              TEXT    NOT NULL,
    state              TEXT    NOT NULL,
    kill_asked         TEXT,
    counts             TEXT    NOT NULL,
    running_on         TEXT    NOT NULL,
    spec               TEXT    NOT NULL,
    only_machines      TEXT,
    reconnect_grace    BIGINT  NOT NULL     -- ms
);

CREATE UNIQUE INDEX runs_id ON runs (id);
-- At most one run for each job and scheduled instant.
CREATE UNIQUE INDEX runs_instant ON runs (job, instant);
CREATE INDEX runs_history ON runs (job, seq);
CREATE INDEX runs_over ON runs (job, ended, seq) WHERE ended IS NOT NULL;
CREATE INDEX runs_going ON runs (seq) WHERE ended IS NULL;

CREATE TABLE run_machines (
    run_seq    BIGINT NOT NULL REFERENCES runs (seq),
    machine    TEXT   NOT NULL,
    state      TEXT   NOT NULL,
    pid        BIGINT,
    bound      TEXT,
    kill_asked TEXT,
    PRIMARY KEY (run_seq, machine)
);

-- The newest scheduled instant of each job that has its run, whatever became of the run.
CREATE TABLE job_instants (
    job     TEXT   NOT NULL PRIMARY KEY,
    instant BIGINT NOT NULL
);

CREATE TABLE pauses (
    job        TEXT   NOT NULL PRIMARY KEY,
    paused_by  TEXT   NOT NULL,
    paused_at  BIGINT NOT NULL
);

CREATE TABLE meta (
    name  TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
);

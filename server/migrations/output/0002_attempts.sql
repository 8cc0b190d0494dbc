-- Each attempt of a machine has a stream of its own. What is unique in a table cannot be changed, so it is made anew.
CREATE TABLE output_stream_of_attempt (
    id      INTEGER PRIMARY KEY,
    run     TEXT NOT NULL,
    machine TEXT NOT NULL,
    -- Counted from 1.
    attempt BIGINT NOT NULL,
    -- Last durable number of a version 1 wrapper; such wrappers count messages, not bytes.
    v1_seq  BIGINT,
    UNIQUE (run, machine, attempt)
);

INSERT INTO output_stream_of_attempt (id, run, machine, attempt, v1_seq)
    SELECT id, run, machine, 1, v1_seq FROM output_stream;

DROP TABLE output_stream;
ALTER TABLE output_stream_of_attempt RENAME TO output_stream;

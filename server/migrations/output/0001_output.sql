-- Output of the machines of runs. A stream is the output of one machine of one run; its bytes lie in blocks that follow
-- each other without a gap.
CREATE TABLE output_stream (
    id      INTEGER PRIMARY KEY,
    run     TEXT NOT NULL,
    machine TEXT NOT NULL,
    -- Last durable number of a version 1 wrapper; such wrappers count messages, not bytes.
    v1_seq  BIGINT,
    UNIQUE (run, machine)
);

CREATE TABLE output_block (
    id         INTEGER PRIMARY KEY,
    stream     BIGINT NOT NULL,
    -- Offset of the first byte.
    start      BIGINT NOT NULL,
    raw_len    BIGINT NOT NULL,
    -- Line feeds before the first byte.
    first_line BIGINT NOT NULL,
    -- Line feeds in the block.
    line_feeds BIGINT NOT NULL,
    -- 0: as it is; 1: one zstd frame.
    encoding   INTEGER NOT NULL,
    -- 13 bytes a chunk: stream, length, time.
    marks      BLOB NOT NULL,
    payload    BLOB NOT NULL
);

-- The only index on purpose: with a thousand writers every further one costs as much to write as the output
-- itself. A line is found by bisecting over `start`.
CREATE UNIQUE INDEX output_block_place ON output_block (stream, start);

-- The index of the blocks, which the writer keeps itself, some moments behind the blocks: with a thousand writers every
-- block of a commit goes to another page of an index, and writing it at once costs more than the output. Entered later,
-- a stream's blocks go to one page together.
CREATE TABLE output_place (
    stream BIGINT NOT NULL,
    -- Offset of the block's first byte.
    start  BIGINT NOT NULL,
    -- The block's id.
    block  BIGINT NOT NULL,
    PRIMARY KEY (stream, start)
) WITHOUT ROWID;

-- One row: blocks with this id and after it may not be in the index yet.
CREATE TABLE output_placed (before BIGINT NOT NULL);

INSERT INTO output_place (stream, start, block) SELECT stream, start, id FROM output_block;
INSERT INTO output_placed (before) SELECT COALESCE(MAX(id), 0) + 1 FROM output_block;
DROP INDEX output_block_place;

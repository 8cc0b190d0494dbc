-- A fingerprint of the stream's bytes up to the block's end (server/src/store/output/fingerprint.rs). Absent where the
-- stream was begun before there were any.
ALTER TABLE output_block ADD COLUMN fingerprint BLOB;

-- One row: what fingerprints are made with, different in each file and known to nobody else.
CREATE TABLE output_fingerprint (unknowns BLOB NOT NULL);
INSERT INTO output_fingerprint (unknowns) VALUES (randomblob(16));

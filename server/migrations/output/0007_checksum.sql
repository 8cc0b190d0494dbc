-- A checksum of the block as it stands in its row (server/src/store/output/block.rs). Absent where it was written before there
-- were any.
ALTER TABLE output_block ADD COLUMN checksum INTEGER;

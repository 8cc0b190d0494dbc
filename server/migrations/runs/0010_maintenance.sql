-- What maintenance became, as JSON, beside the entries that tell of it in words: the timeline is drawn from it.
-- NULL in every other entry, and in those of before.

ALTER TABLE audit ADD COLUMN maintenance TEXT;

CREATE INDEX audit_maintenance ON audit (at, seq) WHERE maintenance IS NOT NULL;

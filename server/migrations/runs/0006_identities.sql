-- Who comes from a provider that people log in at, by what it calls them; the others have NULL. A name alone would let
-- whoever chooses it there become whoever has it here.

ALTER TABLE users ADD COLUMN issuer TEXT;
ALTER TABLE users ADD COLUMN subject TEXT;

CREATE UNIQUE INDEX users_identity ON users (issuer, subject);

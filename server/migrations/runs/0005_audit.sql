-- Who did what, when and from where. Rows are added, and go by their age alone: the triggers refuse all else, so that
-- neither a mistake of this program nor a hand in the database changes what has been without a trace of it.

CREATE TABLE audit (
    seq       INTEGER PRIMARY KEY AUTOINCREMENT, -- never used twice
    at        BIGINT NOT NULL,                   -- ms
    who       TEXT   NOT NULL,
    address   TEXT,                              -- NULL: from this host
    kind      TEXT   NOT NULL,
    deed      TEXT   NOT NULL,
    old_value TEXT,
    new_value TEXT
);

CREATE INDEX audit_who ON audit (who, seq);
CREATE INDEX audit_kind ON audit (kind, seq);
CREATE INDEX audit_at ON audit (at, seq);

-- One row: entries before this time may go. It only ever grows.
CREATE TABLE audit_kept (
    since BIGINT NOT NULL -- ms
);
INSERT INTO audit_kept (since) VALUES (0);

CREATE TRIGGER audit_is_not_changed BEFORE UPDATE ON audit
BEGIN
    SELECT RAISE(ABORT, 'entries of the audit trail are not changed');
END;

CREATE TRIGGER audit_goes_by_age BEFORE DELETE ON audit
WHEN OLD.at >= COALESCE((SELECT MIN(since) FROM audit_kept), 0)
BEGIN
    SELECT RAISE(ABORT, 'entries of the audit trail go by their age alone');
END;

CREATE TRIGGER audit_kept_only_grows BEFORE UPDATE ON audit_kept
WHEN NEW.since < OLD.since
BEGIN
    SELECT RAISE(ABORT, 'the time since which the audit trail is kept only grows');
END;

CREATE TRIGGER audit_kept_stays BEFORE DELETE ON audit_kept
BEGIN
    SELECT RAISE(ABORT, 'the time since which the audit trail is kept stays');
END;

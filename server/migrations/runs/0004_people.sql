-- People who may log in, their sessions, and programs' tokens. No password, session key or token is in here: what is
-- stored of a password is its argon2id hash, of a key its SHA-256.

CREATE TABLE users (
    name       TEXT   NOT NULL PRIMARY KEY,
    role       TEXT   NOT NULL,
    job_groups TEXT,            -- JSON list; NULL: all groups
    password   TEXT,            -- NULL: none, they come through a proxy
    created    BIGINT NOT NULL, -- ms
    created_by TEXT   NOT NULL
);

CREATE TABLE sessions (
    seq       INTEGER PRIMARY KEY,
    key_hash  TEXT   NOT NULL,
    user_name TEXT   NOT NULL REFERENCES users (name) ON DELETE CASCADE,
    created   BIGINT NOT NULL, -- ms
    seen      BIGINT NOT NULL, -- ms
    address   TEXT   NOT NULL,
    agent     TEXT   NOT NULL
);

CREATE UNIQUE INDEX sessions_key ON sessions (key_hash);
CREATE INDEX sessions_user ON sessions (user_name, seq);

CREATE TABLE tokens (
    name       TEXT   NOT NULL PRIMARY KEY,
    key_hash   TEXT   NOT NULL,
    role       TEXT   NOT NULL,
    job_groups TEXT,            -- JSON list; NULL: all groups
    created    BIGINT NOT NULL, -- ms
    created_by TEXT   NOT NULL,
    expires    BIGINT NOT NULL, -- ms
    seen       BIGINT           -- ms; NULL: never
);

CREATE UNIQUE INDEX tokens_key ON tokens (key_hash);

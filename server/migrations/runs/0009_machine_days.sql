-- How often a machine has failed of late. As with jobs (0007), the results themselves are too many to be counted whenever
-- somebody asks: a machine that has a job each minute has ten thousand in a week.

-- A machine's results by the day on which they came, over all jobs. It outlasts the runs, for 30 days.
CREATE TABLE machine_days (
    machine TEXT   NOT NULL,
    day     BIGINT NOT NULL, -- days since 1970, UTC
    results BIGINT NOT NULL,
    failed  BIGINT NOT NULL,
    PRIMARY KEY (machine, day)
) WITHOUT ROWID;

CREATE INDEX machine_days_day ON machine_days (day);

INSERT INTO machine_days (machine, day, results, failed)
SELECT rows.machine, rows.heard / 86400000, COUNT(*), SUM(found.failed)
FROM machine_results AS found JOIN run_machines AS rows ON rows.run_seq = found.run_seq AND rows.machine = found.machine
GROUP BY rows.machine, rows.heard / 86400000;

CREATE TRIGGER machine_day_counts_at_once AFTER INSERT ON run_machines WHEN json_extract(NEW.state, '$.state') = 'ended'
BEGIN
    INSERT INTO machine_days (machine, day, results, failed)
    SELECT NEW.machine, json_extract(NEW.state, '$.at') / 86400000, 1, found.failed FROM machine_results AS found
    WHERE found.run_seq = NEW.run_seq AND found.machine = NEW.machine
    ON CONFLICT (machine, day) DO UPDATE SET results = results + 1, failed = failed + excluded.failed;
END;

CREATE TRIGGER machine_day_counts_no_more BEFORE UPDATE OF state ON run_machines WHEN json_extract(OLD.state, '$.state') = 'ended'
BEGIN
    UPDATE machine_days SET results = machine_days.results - 1, failed = machine_days.failed - found.failed
    FROM machine_results AS found
    WHERE found.run_seq = OLD.run_seq AND found.machine = OLD.machine
        AND machine_days.machine = OLD.machine AND machine_days.day = json_extract(OLD.state, '$.at') / 86400000;
END;

CREATE TRIGGER machine_day_counts AFTER UPDATE OF state ON run_machines WHEN json_extract(NEW.state, '$.state') = 'ended'
BEGIN
    INSERT INTO machine_days (machine, day, results, failed)
    SELECT NEW.machine, json_extract(NEW.state, '$.at') / 86400000, 1, found.failed FROM machine_results AS found
    WHERE found.run_seq = NEW.run_seq AND found.machine = NEW.machine
    ON CONFLICT (machine, day) DO UPDATE SET results = results + 1, failed = failed + excluded.failed;
END;

-- Of all machines, so that names that are no more take no room.
CREATE TRIGGER machine_days_are_forgotten AFTER INSERT ON machine_days
BEGIN
    DELETE FROM machine_days WHERE day < NEW.day - 30;
END;

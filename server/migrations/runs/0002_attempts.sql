-- Runs that stop, machines that are tried again, and outcomes that did not hold. All JSON.

ALTER TABLE runs ADD COLUMN stopped TEXT;         -- NULL: it has not
ALTER TABLE run_machines ADD COLUMN earlier TEXT; -- attempts before the present one; NULL: none
ALTER TABLE run_machines ADD COLUMN replaced TEXT; -- the outcome that its wrapper's return replaced; NULL: none

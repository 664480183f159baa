-- Publishing a committed message is tried again and again, each row for itself; what can never be published is parked.
ALTER TABLE outbox
    ADD COLUMN tries integer NOT NULL DEFAULT 0,
    ADD COLUMN next_try_at timestamptz,
    ADD COLUMN last_error text,
    ADD COLUMN parked_at timestamptz;
DROP INDEX outbox_unsent;
CREATE INDEX outbox_unsent ON outbox (id) WHERE sent_at IS NULL AND parked_at IS NULL;
CREATE INDEX outbox_of_run ON outbox (job_id, module) WHERE sent_at IS NULL AND parked_at IS NULL;
CREATE INDEX outbox_sent ON outbox (sent_at) WHERE sent_at IS NOT NULL;

-- The desk of dead letters also keeps events nobody could use and messages nobody could publish.
ALTER TABLE parked
    ADD COLUMN outbox_id bigint,
    ADD COLUMN settled_reason text;
CREATE UNIQUE INDEX parked_outbox ON parked (outbox_id) WHERE outbox_id IS NOT NULL AND settled_at IS NULL;
CREATE INDEX parked_of_job ON parked (job_id) WHERE job_id IS NOT NULL;

-- Orders are found by their place on the bus, and the leases of one worker by its name.
CREATE INDEX module_run_place ON module_run (bus_seq) WHERE state IN ('pending', 'running');
CREATE INDEX module_run_worker ON module_run (worker) WHERE state = 'running';

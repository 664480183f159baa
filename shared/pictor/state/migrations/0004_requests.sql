-- What each observatory sent and keeps, in bytes of raw frames by UTC day of arrival. Deleting makes room, but gives
-- back nothing of the day.
CREATE TABLE observatory_use (
    observatory_id uuid NOT NULL REFERENCES observatory ON DELETE CASCADE,
    day date NOT NULL,
    received_bytes bigint NOT NULL,
    kept_bytes bigint NOT NULL,
    PRIMARY KEY (observatory_id, day)
);

INSERT INTO observatory_use (observatory_id, day, received_bytes, kept_bytes)
SELECT observatory_id, (received_at AT TIME ZONE 'UTC')::date, sum(size), sum(size) FROM frame GROUP BY 1, 2;

CREATE FUNCTION frame_counts() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO observatory_use AS known (observatory_id, day, received_bytes, kept_bytes)
        VALUES (NEW.observatory_id, (NEW.received_at AT TIME ZONE 'UTC')::date, NEW.size, NEW.size)
        ON CONFLICT (observatory_id, day) DO UPDATE SET
            received_bytes = known.received_bytes + excluded.received_bytes,
            kept_bytes = known.kept_bytes + excluded.kept_bytes;
    ELSE
        UPDATE observatory_use SET kept_bytes = kept_bytes - OLD.size
        WHERE observatory_id = OLD.observatory_id AND day = (OLD.received_at AT TIME ZONE 'UTC')::date;
    END IF;
    RETURN NULL;
END $$;
REVOKE EXECUTE ON FUNCTION frame_counts() FROM PUBLIC;

CREATE TRIGGER frame_counts AFTER INSERT OR DELETE ON frame FOR EACH ROW EXECUTE FUNCTION frame_counts();

-- Where an observatory's quota is not that of the installation: 0 for none, NULL for the installation's.
CREATE TABLE observatory_quota (
    observatory_id uuid PRIMARY KEY REFERENCES observatory ON DELETE CASCADE,
    bytes_per_day bigint CHECK (bytes_per_day >= 0),
    bytes_total bigint CHECK (bytes_total >= 0)
);

-- Answers given under an Idempotency-Key, so that the same request again gets the same answer; a day long.
CREATE TABLE idempotency (
    caller text NOT NULL,
    key text NOT NULL,
    request_sha256 bytea NOT NULL,
    begun_at timestamptz NOT NULL DEFAULT now(),
    status smallint,
    headers jsonb,
    body bytea,
    PRIMARY KEY (caller, key)
);
CREATE INDEX idempotency_by_age ON idempotency (begun_at);

-- Bytes somebody uploaded as a ready-made master, and what they said about it that its header lacks.
CREATE TABLE master_upload (
    observatory_id uuid NOT NULL REFERENCES observatory ON DELETE CASCADE,
    sha256 text NOT NULL CHECK (sha256 ~ '^[0-9a-f]{64}$'),
    stated jsonb NOT NULL DEFAULT '{}',
    uploaded_by text NOT NULL,
    uploaded_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (observatory_id, sha256)
);

-- Such bytes are a master whatever their header says: they never become an individual frame of a stack.
CREATE FUNCTION frame_stays_master() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp AS $$
BEGIN
    NEW.is_master := EXISTS (
        SELECT FROM master_upload u WHERE u.observatory_id = NEW.observatory_id AND u.sha256 = NEW.sha256
    );
    RETURN NEW;
END $$;
REVOKE EXECUTE ON FUNCTION frame_stays_master() FROM PUBLIC;
CREATE TRIGGER frame_stays_master BEFORE UPDATE OF is_master ON frame
    FOR EACH ROW WHEN (NOT NEW.is_master) EXECUTE FUNCTION frame_stays_master();

-- What a detector showed stays in its diary when the master that showed it is deleted.
ALTER TABLE detector_reading DROP CONSTRAINT detector_reading_master_id_fkey;

CREATE INDEX master_recalled ON master (recalled_at) WHERE recalled_at IS NOT NULL;
CREATE INDEX master_superseded ON master (superseded_at) WHERE state = 'superseded';
CREATE INDEX frame_used ON frame (used_at) WHERE used_at IS NOT NULL;
CREATE INDEX job_stacks ON job (observatory_id, created_at DESC, id DESC) WHERE kind = 'stack';

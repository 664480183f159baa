-- A deleted source stays named: what a master was made of does not depend on what is still stored.
ALTER TABLE master_component ADD COLUMN name text, ADD COLUMN taken_at timestamptz;

CREATE FUNCTION component_remembered() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp AS $$
BEGIN
    UPDATE master_component SET name = OLD.name, taken_at = OLD.start_utc WHERE frame_id = OLD.id;
    RETURN OLD;
END $$;
REVOKE EXECUTE ON FUNCTION component_remembered() FROM PUBLIC;
CREATE TRIGGER component_remembered BEFORE DELETE ON frame
    FOR EACH ROW WHEN (OLD.frame_type IN ('dark', 'flat', 'bias', 'flat-dark'))
    EXECUTE FUNCTION component_remembered();

-- A superseded master keeps the name of its successor, also when that one was deleted.
ALTER TABLE master DROP CONSTRAINT master_superseded_by_fkey;

-- Pages of the library are read from indexes alone: what narrows a list is in them.
DROP INDEX frame_individual;
CREATE INDEX frame_individual ON frame (observatory_id, received_at DESC, id) INCLUDE (frame_type, camera, filter)
    WHERE state = 'registered' AND frame_type IN ('dark', 'flat', 'bias', 'flat-dark');
CREATE INDEX frame_unclaimed ON frame (observatory_id, received_at DESC, id) INCLUDE (frame_type, camera, filter)
    WHERE state = 'registered' AND frame_type IN ('dark', 'flat', 'bias', 'flat-dark') AND mastered_by IS NULL;

CREATE INDEX frame_calibration_dark ON frame_calibration (dark_id) WHERE dark_id IS NOT NULL;
CREATE INDEX frame_calibration_flat ON frame_calibration (flat_id) WHERE flat_id IS NOT NULL;
CREATE INDEX frame_calibration_bias ON frame_calibration (bias_id) WHERE bias_id IS NOT NULL;
CREATE INDEX frame_recent_light ON frame (observatory_id, camera_mode, start_utc) WHERE frame_type = 'light';

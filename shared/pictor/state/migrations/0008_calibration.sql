-- The calibration settings of an observatory as columns of their own; NULL takes the default of the program.
ALTER TABLE calibration_policy
    ADD COLUMN min_frames integer CHECK (min_frames BETWEEN 3 AND 100),
    ADD COLUMN camera_type text CHECK (camera_type IN ('CMOS', 'CCD')),
    ADD COLUMN stacking_method text CHECK (stacking_method IN ('mean', 'median', 'sigma_clip')),
    ADD COLUMN sigma_clip_value double precision CHECK (sigma_clip_value BETWEEN 1 AND 10),
    ADD COLUMN sigma_clip_iterations integer CHECK (sigma_clip_iterations BETWEEN 1 AND 20),
    ADD COLUMN temperature_tolerance_c double precision CHECK (temperature_tolerance_c BETWEEN 0.1 AND 20),
    ADD COLUMN dark_max_age_days integer CHECK (dark_max_age_days BETWEEN 1 AND 3650),
    ADD COLUMN flat_max_age_days integer CHECK (flat_max_age_days BETWEEN 1 AND 3650),
    ADD COLUMN bias_max_age_days integer CHECK (bias_max_age_days BETWEEN 1 AND 3650),
    ADD COLUMN individual_retention_days integer CHECK (individual_retention_days BETWEEN 0 AND 3650),
    ADD COLUMN master_retention_days integer CHECK (master_retention_days BETWEEN 0 AND 3650),
    ADD COLUMN flat_rotation text CHECK (flat_rotation IN ('ignore', 'preferred', 'required')),
    ADD COLUMN rotation_tolerance_deg double precision CHECK (rotation_tolerance_deg BETWEEN 0 AND 180),
    ADD COLUMN exposure_tolerance_s double precision CHECK (exposure_tolerance_s BETWEEN 0 AND 60),
    ADD COLUMN exposure_tolerance_share double precision CHECK (exposure_tolerance_share BETWEEN 0 AND 0.5),
    ADD COLUMN flat_dark_exposure_share double precision CHECK (flat_dark_exposure_share BETWEEN 0 AND 0.5),
    ADD COLUMN dark_scale_min double precision CHECK (dark_scale_min BETWEEN 0.1 AND 1),
    ADD COLUMN dark_scale_max double precision CHECK (dark_scale_max BETWEEN 1 AND 10),
    ADD COLUMN bias_for_flats_below_s double precision CHECK (bias_for_flats_below_s BETWEEN 0 AND 60),
    ADD COLUMN refresh_new_frames integer CHECK (refresh_new_frames BETWEEN 1 AND 1000);

UPDATE calibration_policy SET (min_frames, camera_type, stacking_method, sigma_clip_value, sigma_clip_iterations,
    temperature_tolerance_c, dark_max_age_days, flat_max_age_days, bias_max_age_days, individual_retention_days,
    master_retention_days, flat_rotation, rotation_tolerance_deg, exposure_tolerance_s, exposure_tolerance_share,
    flat_dark_exposure_share, dark_scale_min, dark_scale_max, bias_for_flats_below_s, refresh_new_frames) = (
    SELECT s.min_frames, s.camera_type, s.stacking_method, s.sigma_clip_value, s.sigma_clip_iterations,
        s.temperature_tolerance_c, s.dark_max_age_days, s.flat_max_age_days, s.bias_max_age_days,
        s.individual_retention_days, s.master_retention_days, s.flat_rotation, s.rotation_tolerance_deg,
        s.exposure_tolerance_s, s.exposure_tolerance_share, s.flat_dark_exposure_share, s.dark_scale_min,
        s.dark_scale_max, s.bias_for_flats_below_s, s.refresh_new_frames
    FROM jsonb_populate_record(NULL::calibration_policy, settings) AS s
);
ALTER TABLE calibration_policy DROP COLUMN settings;

-- What a master is of, for searching; where it comes from; and what people decided about it.
ALTER TABLE master
    ADD COLUMN origin text NOT NULL DEFAULT 'stack' CHECK (origin IN ('stack', 'upload')),
    ADD COLUMN camera_name text,
    ADD COLUMN filter text,
    ADD COLUMN exposure_s double precision,
    ADD COLUMN gain_setting double precision,
    ADD COLUMN offset_setting double precision,
    ADD COLUMN binning_x integer,
    ADD COLUMN temp_c double precision,
    ADD COLUMN rotator_deg double precision,
    ADD COLUMN expired_at timestamptz,
    ADD COLUMN reviewed_at timestamptz,
    ADD COLUMN reviewed_by text,
    ADD COLUMN recalled_at timestamptz,
    ADD COLUMN recalled_by text,
    ADD COLUMN recall_reason text;

UPDATE master m SET filter = facts->>'filter', exposure_s = (facts->>'exposure_s')::float8,
    gain_setting = (facts->'mode'->>'gain_setting')::float8, offset_setting = (facts->'mode'->>'offset_setting')::float8,
    binning_x = (facts->'mode'->>'binning_x')::float8::integer, temp_c = (facts->>'temp_c')::float8,
    rotator_deg = (facts->>'rotator_deg')::float8,
    camera_name = (
        SELECT f.camera FROM master_component c JOIN frame f ON f.id = c.frame_id WHERE c.master_id = m.id LIMIT 1
    );
CREATE INDEX master_newest ON master (observatory_id, created_at DESC, id);

-- Individual frames: the active master each is in, when it was first used by one, and why it is never stacked.
ALTER TABLE frame
    ADD COLUMN mastered_by uuid REFERENCES master ON DELETE SET NULL,
    ADD COLUMN used_at timestamptz,
    ADD COLUMN not_stacked text[];

UPDATE frame f SET mastered_by = m.id
FROM master_component c JOIN master m ON m.id = c.master_id WHERE c.frame_id = f.id AND m.state = 'active';
UPDATE frame f SET used_at = (
    SELECT min(m.created_at) FROM master_component c JOIN master m ON m.id = c.master_id
    WHERE c.frame_id = f.id AND m.state IN ('active', 'superseded')
) WHERE EXISTS (SELECT FROM master_component c WHERE c.frame_id = f.id);
CREATE INDEX frame_mastered ON frame (mastered_by) WHERE mastered_by IS NOT NULL;
CREATE INDEX frame_individual ON frame (observatory_id, received_at DESC, id)
    WHERE state = 'registered' AND NOT is_master AND frame_type IN ('dark', 'flat', 'bias', 'flat-dark');

-- Camera modes whose groups must be decided about anew: what changed since the last decision is in the same transaction
-- as the change, so that no restart loses it.
CREATE TABLE calibration_mode (
    observatory_id uuid NOT NULL REFERENCES observatory ON DELETE CASCADE,
    camera_mode text NOT NULL,
    changed_at timestamptz NOT NULL DEFAULT now(),
    decided_at timestamptz,
    PRIMARY KEY (observatory_id, camera_mode)
);
INSERT INTO calibration_mode (observatory_id, camera_mode)
SELECT DISTINCT observatory_id, camera_mode FROM frame
WHERE camera_mode IS NOT NULL AND frame_type IN ('dark', 'flat', 'bias', 'flat-dark') AND NOT is_master;

CREATE FUNCTION calibration_changed() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp AS $$
BEGIN
    INSERT INTO calibration_mode AS known (observatory_id, camera_mode)
    VALUES ((coalesce(NEW, OLD)).observatory_id, (coalesce(NEW, OLD)).camera_mode)
    ON CONFLICT (observatory_id, camera_mode) DO UPDATE SET changed_at = clock_timestamp();
    RETURN NULL;
END $$;
REVOKE EXECUTE ON FUNCTION calibration_changed() FROM PUBLIC;

CREATE TRIGGER calibration_frame_came AFTER UPDATE OF state, camera_mode, frame_type, description, statistics ON frame
    FOR EACH ROW WHEN (NEW.state = 'registered' AND NEW.camera_mode IS NOT NULL
        AND NEW.frame_type IN ('dark', 'flat', 'bias', 'flat-dark'))
    EXECUTE FUNCTION calibration_changed();
CREATE TRIGGER calibration_frame_went AFTER DELETE ON frame
    FOR EACH ROW WHEN (OLD.camera_mode IS NOT NULL AND OLD.frame_type IN ('dark', 'flat', 'bias', 'flat-dark'))
    EXECUTE FUNCTION calibration_changed();
CREATE TRIGGER calibration_master_came AFTER INSERT OR DELETE OR UPDATE OF state ON master
    FOR EACH ROW EXECUTE FUNCTION calibration_changed();

CREATE FUNCTION calibration_policy_changed() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp AS $$
BEGIN
    UPDATE calibration_mode SET changed_at = clock_timestamp()
    WHERE observatory_id = (coalesce(NEW, OLD)).observatory_id;
    RETURN NULL;
END $$;
REVOKE EXECUTE ON FUNCTION calibration_policy_changed() FROM PUBLIC;
CREATE TRIGGER calibration_policy_changed AFTER INSERT OR UPDATE OR DELETE ON calibration_policy
    FOR EACH ROW EXECUTE FUNCTION calibration_policy_changed();

-- The detector diary: what each stack says about the camera.
CREATE TABLE detector_reading (
    master_id uuid NOT NULL REFERENCES master ON DELETE CASCADE,
    kind text NOT NULL CHECK (kind IN ('read-noise', 'gain', 'dark-current', 'hot-pixels', 'bias-level')),
    observatory_id uuid NOT NULL REFERENCES observatory,
    rig_id uuid REFERENCES rig,
    camera_mode text NOT NULL,
    taken_at timestamptz NOT NULL,
    value double precision NOT NULL,
    unit text NOT NULL,
    temp_c double precision,
    exposure_s double precision,
    PRIMARY KEY (master_id, kind)
);
CREATE INDEX detector_reading_by_time ON detector_reading (observatory_id, rig_id, taken_at);

-- Bad pixels a person knows of, for one camera.
CREATE TABLE bad_pixel_list (
    observatory_id uuid NOT NULL REFERENCES observatory ON DELETE CASCADE,
    rig_id uuid NOT NULL REFERENCES rig ON DELETE CASCADE,
    body text NOT NULL CHECK (length(body) <= 1000000),
    version integer NOT NULL DEFAULT 1,
    changed_by text NOT NULL,
    changed_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (observatory_id, rig_id)
);

-- One set of masters for all lights of a camera mode, night, target, filter and exposure.
CREATE TABLE light_set (
    observatory_id uuid NOT NULL REFERENCES observatory ON DELETE CASCADE,
    camera_mode text NOT NULL,
    night date NOT NULL,
    target text NOT NULL,
    filter text NOT NULL,
    exposure_s double precision NOT NULL,
    reference_utc timestamptz NOT NULL,
    masters jsonb NOT NULL,
    chosen_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (observatory_id, camera_mode, night, target, filter, exposure_s)
);

-- Calibrated lights are made on demand by a job of their own.
ALTER TABLE job DROP CONSTRAINT job_kind_check;
ALTER TABLE job ADD CONSTRAINT job_kind_check CHECK (kind IN ('upload', 'reprocess', 'stack', 'calibrate'));

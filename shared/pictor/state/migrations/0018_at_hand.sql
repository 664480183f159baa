-- What needs count is read from an index alone: a hundred thousand individual frames in a tenth of a second.
CREATE INDEX frame_at_hand ON frame (observatory_id, camera_mode, frame_type, exposure_s)
    INCLUDE (filter, rotator_deg, set_temp_c, ccd_temp_c, start_utc, received_at, mastered_by)
    WHERE frame_type <> 'light' AND state = 'registered' AND NOT is_master AND coalesce(not_stacked, '{}') = '{}';
CREATE INDEX frame_refused ON frame (observatory_id, camera_mode)
    WHERE frame_type <> 'light' AND state = 'registered' AND NOT is_master AND not_stacked <> '{}';

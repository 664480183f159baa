-- Frames nobody has judged yet, found without reading those that were.
CREATE INDEX frame_unjudged ON frame (observatory_id, camera_mode)
    WHERE not_stacked IS NULL AND state = 'registered' AND frame_type IN ('dark', 'flat', 'bias', 'flat-dark');

-- Whether a dark's exposure serves lights as well as flats.
CREATE INDEX frame_light_exposure ON frame (observatory_id, camera_mode, exposure_s, start_utc)
    WHERE frame_type = 'light';

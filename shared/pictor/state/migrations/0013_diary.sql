-- A diary is kept for years, masters for months: a reading says itself what camera it is of.
ALTER TABLE detector_reading
    ADD COLUMN camera_name text, ADD COLUMN gain_setting double precision, ADD COLUMN binning_x integer;
UPDATE detector_reading d SET camera_name = m.camera_name, gain_setting = m.gain_setting, binning_x = m.binning_x
FROM master m WHERE m.id = d.master_id;

-- Which names of filters are one filter is read by the program: a table of usual names and these settings.
ALTER TABLE calibration_policy
    ADD COLUMN filters_as_named text CHECK (filters_as_named IN ('no', 'yes')),
    ADD COLUMN filter_synonyms text CHECK (length(filter_synonyms) <= 2000),
    ADD COLUMN filters_apart text CHECK (length(filters_apart) <= 2000);

-- The names in use, leaping from one to the next: frames keep the name as it is written, whatever it is read as.
CREATE INDEX frame_filter_name ON frame (observatory_id, filter, rig_id) WHERE filter IS NOT NULL;

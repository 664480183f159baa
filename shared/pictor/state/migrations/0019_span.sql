-- A master ages from its newest frame: one that is made anew with the full set is not old at once.
ALTER TABLE master ADD COLUMN first_at timestamptz, ADD COLUMN last_at timestamptz;
ALTER TABLE master ADD COLUMN aged_from timestamptz
    GENERATED ALWAYS AS (coalesce(last_at, taken_at, created_at)) STORED;

-- A light whose header says that a bias, dark or flat was taken off asks for no master.
ALTER TABLE frame ADD COLUMN came_calibrated boolean
    GENERATED ALWAYS AS (coalesce(description ->> 'calstat', '') ~* '[bdf]') STORED;

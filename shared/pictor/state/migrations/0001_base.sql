CREATE TABLE observatory (
    id uuid PRIMARY KEY,
    slug text NOT NULL UNIQUE CHECK (slug ~ '^[a-z0-9][a-z0-9-]{0,62}$'),
    name text NOT NULL,
    latitude_deg double precision CHECK (latitude_deg BETWEEN -90 AND 90),
    longitude_deg double precision CHECK (longitude_deg BETWEEN -180 AND 180),
    elevation_m double precision,
    modules_off text[] NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE rig (
    id uuid PRIMARY KEY,
    observatory_id uuid NOT NULL REFERENCES observatory,
    name text NOT NULL,
    camera text,
    telescope text,
    focal_mm double precision,
    pixel_um double precision,
    egain double precision,
    read_noise_e double precision,
    row_order text CHECK (row_order IN ('TOP-DOWN', 'BOTTOM-UP')),
    mirrored boolean,
    created_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (observatory_id, name)
);

-- Tokens: only the SHA-256 of the 256-bit random secret is kept.
CREATE TABLE token (
    id text PRIMARY KEY,
    secret_sha256 bytea NOT NULL,
    name text NOT NULL,
    role text NOT NULL CHECK (role IN ('plugin', 'member', 'observatory-admin', 'server-admin')),
    scopes text[] NOT NULL,
    observatory_id uuid REFERENCES observatory,
    rig_id uuid REFERENCES rig,
    created_by text,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    revoked_at timestamptz,
    last_used_at timestamptz,
    CHECK (role = 'server-admin' OR observatory_id IS NOT NULL)
);

CREATE TABLE session (
    id_sha256 bytea PRIMARY KEY,
    token_id text NOT NULL REFERENCES token ON DELETE CASCADE,
    csrf text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL
);

CREATE TABLE login_code (
    code_sha256 bytea PRIMARY KEY,
    token_id text NOT NULL REFERENCES token ON DELETE CASCADE,
    expires_at timestamptz NOT NULL
);

CREATE TABLE frame (
    id uuid PRIMARY KEY,
    observatory_id uuid NOT NULL REFERENCES observatory,
    rig_id uuid REFERENCES rig,
    sha256 text NOT NULL CHECK (sha256 ~ '^[0-9a-f]{64}$'),
    size bigint NOT NULL,
    name text NOT NULL,
    raw_key text NOT NULL,
    state text NOT NULL DEFAULT 'received' CHECK (state IN ('received', 'registered', 'quarantined')),
    reason text,
    message text,
    received_at timestamptz NOT NULL DEFAULT now(),
    uploaded_by text,
    metadata jsonb NOT NULL DEFAULT '{}',
    -- from the header, once ingested
    frame_type text,
    is_master boolean NOT NULL DEFAULT false,
    filter text,
    exposure_s double precision,
    gain_setting double precision,
    offset_setting double precision,
    egain double precision,
    binning_x integer,
    binning_y integer,
    width integer,
    height integer,
    planes integer,
    bayer text,
    readout_mode text,
    roi_x double precision,
    roi_y double precision,
    set_temp_c double precision,
    ccd_temp_c double precision,
    rotator_deg double precision,
    camera text,
    program text,
    target text,
    start_utc timestamptz,
    night date,
    camera_mode text,
    n_combined integer,
    description jsonb,
    cards jsonb,
    statistics jsonb,
    geometry jsonb,
    observation jsonb,
    warnings jsonb NOT NULL DEFAULT '[]',
    UNIQUE (observatory_id, sha256)
);
CREATE INDEX frame_by_time ON frame (observatory_id, received_at DESC, id DESC);
CREATE INDEX frame_by_night ON frame (observatory_id, night, start_utc);
CREATE INDEX frame_by_mode ON frame (observatory_id, camera_mode, frame_type) WHERE frame_type <> 'light';

CREATE TABLE job (
    id uuid PRIMARY KEY,
    observatory_id uuid NOT NULL REFERENCES observatory,
    frame_id uuid REFERENCES frame,
    kind text NOT NULL CHECK (kind IN ('upload', 'reprocess', 'stack')),
    lane text NOT NULL CHECK (lane IN ('high', 'live', 'bulk')),
    state text NOT NULL DEFAULT 'pending'
        CHECK (state IN ('pending', 'running', 'completed', 'failed', 'cancelled')),
    reasons text[] NOT NULL DEFAULT '{}',
    owner text,
    created_at timestamptz NOT NULL DEFAULT now(),
    started_at timestamptz,
    finished_at timestamptz
);
CREATE INDEX job_by_time ON job (observatory_id, created_at DESC, id DESC);
CREATE INDEX job_by_frame ON job (frame_id, created_at DESC);
CREATE INDEX job_open ON job (created_at) WHERE state IN ('pending', 'running');
CREATE UNIQUE INDEX job_one_reprocess ON job (frame_id)
    WHERE kind = 'reprocess' AND state IN ('pending', 'running');

-- One row per module of a job: claim, lease and fence. attempt is the fence; failures counts tries that
-- were the message's or the child's fault, so that an outage never makes poison.
CREATE TABLE module_run (
    job_id uuid NOT NULL REFERENCES job ON DELETE CASCADE,
    module text NOT NULL,
    position integer NOT NULL,
    run integer NOT NULL DEFAULT 1,
    state text NOT NULL DEFAULT 'pending'
        CHECK (state IN ('pending', 'running', 'completed', 'failed', 'skipped', 'cancelled')),
    attempt integer NOT NULL DEFAULT 0,
    failures integer NOT NULL DEFAULT 0,
    ordered_at timestamptz,
    order_body jsonb,
    bus_seq bigint,
    worker text,
    lease_until timestamptz,
    started_at timestamptz,
    finished_at timestamptz,
    duration_s double precision,
    reason text,
    message text,
    PRIMARY KEY (job_id, module)
);
CREATE INDEX module_run_open ON module_run (module, ordered_at) WHERE state IN ('pending', 'running');
CREATE INDEX module_run_ended ON module_run (module, state, finished_at);

CREATE TABLE outbox (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    subject text NOT NULL,
    stream text NOT NULL,
    msg_id text NOT NULL,
    body jsonb NOT NULL,
    headers jsonb NOT NULL DEFAULT '{}',
    job_id uuid,
    module text,
    created_at timestamptz NOT NULL DEFAULT now(),
    sent_at timestamptz,
    bus_seq bigint
);
CREATE INDEX outbox_unsent ON outbox (id) WHERE sent_at IS NULL;

CREATE TABLE product (
    id uuid PRIMARY KEY,
    observatory_id uuid NOT NULL REFERENCES observatory,
    frame_id uuid REFERENCES frame,
    master_id uuid,
    kind text NOT NULL,
    key text NOT NULL UNIQUE,
    size bigint NOT NULL,
    sha256 text NOT NULL,
    content_type text NOT NULL,
    job_id uuid,
    software text NOT NULL,
    parameters jsonb NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL DEFAULT now(),
    CHECK (frame_id IS NOT NULL OR master_id IS NOT NULL)
);
CREATE UNIQUE INDEX product_of_frame ON product (frame_id, kind) WHERE frame_id IS NOT NULL;
CREATE UNIQUE INDEX product_of_master ON product (master_id, kind) WHERE master_id IS NOT NULL;

CREATE TABLE frame_quality (
    frame_id uuid PRIMARY KEY REFERENCES frame,
    job_id uuid NOT NULL,
    star_count integer NOT NULL,
    fwhm_px double precision,
    beta double precision,
    hfr_px double precision,
    eccentricity double precision,
    ellipticity double precision,
    elongation_deg double precision,
    background_adu double precision,
    background_e double precision,
    noise_adu double precision,
    gradient double precision,
    saturated_fraction double precision,
    trail_count integer,
    method text NOT NULL,
    details jsonb NOT NULL DEFAULT '{}',
    measured_at timestamptz NOT NULL DEFAULT now()
);

-- Every grade ever given, by rules or by a person; the newest human one wins, else the newest automatic one.
CREATE TABLE frame_grade (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    frame_id uuid NOT NULL REFERENCES frame,
    job_id uuid,
    letter text NOT NULL CHECK (letter IN ('A', 'B', 'C', 'D')),
    status text NOT NULL CHECK (status IN ('pending', 'accepted', 'rejected')),
    reasons text[] NOT NULL DEFAULT '{}',
    rules text NOT NULL,
    graded_by text,
    graded_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX frame_grade_newest ON frame_grade (frame_id, id DESC);
CREATE UNIQUE INDEX frame_grade_per_job ON frame_grade (frame_id, job_id) WHERE job_id IS NOT NULL;

CREATE TABLE frame_solution (
    frame_id uuid PRIMARY KEY REFERENCES frame,
    job_id uuid NOT NULL,
    ra_deg double precision NOT NULL,
    dec_deg double precision NOT NULL,
    healpix bigint,
    scale_arcsec double precision NOT NULL,
    pa_deg double precision NOT NULL,
    parity integer NOT NULL,
    width_deg double precision NOT NULL,
    height_deg double precision NOT NULL,
    corners jsonb NOT NULL,
    matched integer NOT NULL,
    rms_arcsec double precision NOT NULL,
    rms_px double precision NOT NULL,
    target_offset_arcsec double precision,
    mount_offset_arcsec double precision,
    solver text NOT NULL,
    star_index text,
    cards jsonb NOT NULL,
    details jsonb NOT NULL DEFAULT '{}',
    solved_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX frame_solution_sky ON frame_solution (healpix);

CREATE TABLE calibration_policy (
    observatory_id uuid PRIMARY KEY REFERENCES observatory,
    settings jsonb NOT NULL,
    version integer NOT NULL DEFAULT 1,
    changed_by text,
    changed_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE master (
    id uuid PRIMARY KEY,
    observatory_id uuid NOT NULL REFERENCES observatory,
    rig_id uuid REFERENCES rig,
    job_id uuid REFERENCES job,
    state text NOT NULL CHECK (state IN ('candidate', 'active', 'superseded', 'needs-review', 'rejected')),
    frame_type text NOT NULL CHECK (frame_type IN ('dark', 'flat', 'bias', 'flat-dark')),
    group_key text NOT NULL,
    camera_mode text NOT NULL,
    facts jsonb NOT NULL,
    ncombine integer NOT NULL,
    policy jsonb NOT NULL,
    statistics jsonb NOT NULL DEFAULT '{}',
    reasons text[] NOT NULL DEFAULT '{}',
    taken_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    superseded_at timestamptz,
    superseded_by uuid REFERENCES master
);
CREATE UNIQUE INDEX master_one_active ON master (observatory_id, group_key) WHERE state = 'active';
CREATE INDEX master_of_mode ON master (observatory_id, camera_mode, frame_type, state);

CREATE TABLE master_component (
    master_id uuid NOT NULL REFERENCES master ON DELETE CASCADE,
    frame_id uuid NOT NULL,
    sha256 text NOT NULL,
    note text,
    PRIMARY KEY (master_id, frame_id)
);
CREATE INDEX master_component_frame ON master_component (frame_id);

-- A request to stack one group; at most one open request per group.
CREATE TABLE stack_request (
    job_id uuid PRIMARY KEY REFERENCES job ON DELETE CASCADE,
    observatory_id uuid NOT NULL REFERENCES observatory,
    group_key text NOT NULL,
    frame_type text NOT NULL,
    frame_ids uuid[] NOT NULL,
    facts jsonb NOT NULL,
    policy jsonb NOT NULL,
    force boolean NOT NULL DEFAULT false,
    open boolean NOT NULL DEFAULT true,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX stack_request_one_open ON stack_request (observatory_id, group_key) WHERE open;

-- Why a group or a frame waits or was left out, in words; replaced at every decision.
CREATE TABLE calibration_note (
    observatory_id uuid NOT NULL REFERENCES observatory,
    group_key text NOT NULL,
    decision text NOT NULL,
    message text NOT NULL,
    have integer NOT NULL,
    needed integer NOT NULL,
    facts jsonb NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (observatory_id, group_key)
);

CREATE TABLE frame_calibration (
    frame_id uuid PRIMARY KEY REFERENCES frame,
    job_id uuid NOT NULL,
    dark_id uuid,
    flat_id uuid,
    bias_id uuid,
    weak boolean NOT NULL DEFAULT false,
    explanation jsonb NOT NULL,
    made_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE parked (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    module text NOT NULL,
    subject text NOT NULL,
    reason text NOT NULL,
    message text NOT NULL,
    attempt integer NOT NULL DEFAULT 0,
    stream_seq bigint,
    job_id uuid,
    observatory_id uuid,
    body text NOT NULL DEFAULT '',
    parked_at timestamptz NOT NULL DEFAULT now(),
    settled_at timestamptz,
    settled_as text CHECK (settled_as IN ('requeued', 'discarded')),
    settled_by text,
    UNIQUE (subject, stream_seq, job_id, attempt)
);
CREATE INDEX parked_open ON parked (module, id) WHERE settled_at IS NULL;

CREATE TABLE audit (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT now(),
    actor text NOT NULL,
    address text,
    action text NOT NULL,
    object text NOT NULL,
    observatory_id uuid,
    outcome text NOT NULL DEFAULT 'ok',
    detail jsonb NOT NULL DEFAULT '{}'
);
CREATE FUNCTION audit_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit log is append-only';
END $$;
CREATE TRIGGER audit_append_only BEFORE UPDATE OR DELETE ON audit
    FOR EACH ROW EXECUTE FUNCTION audit_is_append_only();

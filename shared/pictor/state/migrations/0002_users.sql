-- People. Of a password only its argon2id hash is kept; without one nobody can log in under the name.
CREATE TABLE account (
    id uuid PRIMARY KEY,
    name text NOT NULL CHECK (name ~ '^[a-z0-9][a-z0-9._@-]{0,62}$'),
    display_name text NOT NULL,
    password_hash text,
    server_admin boolean NOT NULL DEFAULT false,
    disabled_at timestamptz,
    created_by text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    password_changed_at timestamptz,
    last_login_at timestamptz,
    UNIQUE (name)
);

CREATE TABLE membership (
    account_id uuid NOT NULL REFERENCES account ON DELETE CASCADE,
    observatory_id uuid NOT NULL REFERENCES observatory ON DELETE CASCADE,
    can_admin boolean NOT NULL DEFAULT false,
    added_by text NOT NULL,
    added_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (account_id, observatory_id)
);
CREATE INDEX membership_of_observatory ON membership (observatory_id);

-- A token made by a person never outlives or exceeds that person's own rights (account_id). A successor names the
-- token it replaces (parent) and all before it (lineage), whose jobs stay its own.
ALTER TABLE token
    ADD COLUMN account_id uuid REFERENCES account ON DELETE CASCADE,
    ADD COLUMN parent text REFERENCES token,
    ADD COLUMN lineage text[] NOT NULL DEFAULT '{}',
    ADD COLUMN rotated_at timestamptz;
CREATE UNIQUE INDEX token_one_successor ON token (parent) WHERE parent IS NOT NULL;
CREATE INDEX token_of_account ON token (account_id) WHERE account_id IS NOT NULL;

-- A session or a one-time link stands for a token or for a person.
ALTER TABLE session
    ALTER COLUMN token_id DROP NOT NULL,
    ADD COLUMN account_id uuid REFERENCES account ON DELETE CASCADE,
    ADD CHECK (num_nonnulls(token_id, account_id) = 1);
CREATE INDEX session_of_account ON session (account_id) WHERE account_id IS NOT NULL;
CREATE INDEX session_of_token ON session (token_id) WHERE token_id IS NOT NULL;

ALTER TABLE login_code
    ALTER COLUMN token_id DROP NOT NULL,
    ADD COLUMN account_id uuid REFERENCES account ON DELETE CASCADE,
    ADD CHECK (num_nonnulls(token_id, account_id) = 1);

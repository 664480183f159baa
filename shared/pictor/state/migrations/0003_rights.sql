-- Whose rows a session may see: '*' for all, ids joined by commas, nothing when unset or empty.
CREATE FUNCTION app_sees_all() RETURNS boolean LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog AS
$$ SELECT coalesce(current_setting('app.observatories', true), '') = '*' $$;

CREATE FUNCTION app_observatories() RETURNS uuid[] LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog AS
$$ SELECT string_to_array(nullif(nullif(current_setting('app.observatories', true), ''), '*'), ',')::uuid[] $$;

-- Row-level security on one table: rows of the session's observatories, by a condition that is asked once per row
-- only for its column. FORCE: the owner is no exception.
CREATE FUNCTION secure_rows(secured regclass, condition text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', secured);
    EXECUTE format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', secured);
    EXECUTE format('DROP POLICY IF EXISTS own_rows ON %s', secured);
    EXECUTE format('CREATE POLICY own_rows ON %s USING ((SELECT app_sees_all()) OR %s)', secured, condition);
END $$;

-- Every table that names an observatory; run again after each migration, so that none is forgotten.
CREATE FUNCTION secure_tenants() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    found regclass;
BEGIN
    FOR found IN
        SELECT c.oid FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
        WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND a.attname = 'observatory_id'
            AND NOT a.attisdropped AND NOT (c.relrowsecurity AND c.relforcerowsecurity)
    LOOP
        PERFORM secure_rows(found, 'observatory_id = ANY ((SELECT app_observatories())::uuid[])');
    END LOOP;
END $$;

SELECT secure_tenants();
SELECT secure_rows('observatory', 'id = ANY ((SELECT app_observatories())::uuid[])');

-- Children are seen with their parents.
SELECT secure_rows('module_run', 'EXISTS (SELECT FROM job p WHERE p.id = job_id)');
SELECT secure_rows('frame_quality', 'EXISTS (SELECT FROM frame p WHERE p.id = frame_id)');
SELECT secure_rows('frame_grade', 'EXISTS (SELECT FROM frame p WHERE p.id = frame_id)');
SELECT secure_rows('frame_solution', 'EXISTS (SELECT FROM frame p WHERE p.id = frame_id)');
SELECT secure_rows('frame_calibration', 'EXISTS (SELECT FROM frame p WHERE p.id = frame_id)');
SELECT secure_rows('master_component', 'EXISTS (SELECT FROM master p WHERE p.id = master_id)');

-- Everybody may add to the audit log, whoever it is about.
CREATE POLICY every_line ON audit FOR INSERT WITH CHECK (true);

-- The audit log as a chain: at commit each line gets the next place and the SHA-256 of its content and of the line
-- before. Deferred to the commit, the lock on the chain's end is held for the write of the commit alone.
ALTER TABLE audit ADD COLUMN place bigint UNIQUE, ADD COLUMN sha256 bytea;

CREATE TABLE audit_end (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    place bigint NOT NULL,
    sha256 bytea NOT NULL
);
INSERT INTO audit_end (place, sha256) VALUES (0, sha256('Pictor'));

CREATE FUNCTION audit_digest(line audit, previous bytea) RETURNS bytea LANGUAGE sql STABLE AS $$
    SELECT sha256(previous || convert_to(jsonb_build_array(
        line.place, line.id, extract(epoch FROM line.at), line.actor, line.address, line.action, line.object,
        line.observatory_id, line.outcome, line.detail
    )::text, 'UTF8'))
$$;

CREATE FUNCTION audit_link() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp AS $$
DECLARE
    scope text := coalesce(current_setting('app.observatories', true), '');
    line audit;
    last audit_end;
BEGIN
    PERFORM set_config('app.observatories', '*', true);
    SELECT * INTO STRICT last FROM audit_end FOR UPDATE;
    SELECT * INTO STRICT line FROM audit WHERE id = NEW.id;
    line.place := last.place + 1;
    line.sha256 := audit_digest(line, last.sha256);
    UPDATE audit SET place = line.place, sha256 = line.sha256 WHERE id = line.id;
    UPDATE audit_end SET place = line.place, sha256 = line.sha256;
    PERFORM set_config('app.observatories', scope, true);
    RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION audit_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND OLD.sha256 IS NULL AND NEW.sha256 IS NOT NULL
        AND to_jsonb(NEW) - 'place' - 'sha256' = to_jsonb(OLD) - 'place' - 'sha256' THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'the audit log is append-only';
END $$;

CREATE TRIGGER audit_never_emptied BEFORE TRUNCATE ON audit EXECUTE FUNCTION audit_is_append_only();

CREATE CONSTRAINT TRIGGER audit_chain AFTER INSERT ON audit DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION audit_link();

REVOKE EXECUTE ON FUNCTION audit_link(), secure_rows(regclass, text), secure_tenants() FROM PUBLIC;

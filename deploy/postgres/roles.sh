#!/bin/sh
# Two roles: pictor_setup owns the database and is used by the setup job alone; pictor reads and writes rows.
set -eu

PICTOR_SETUP_ROLE=$(cat "${ROLE_SECRETS:-/run/secrets}/postgres_setup_password")
PICTOR_SERVICE_ROLE=$(cat "${ROLE_SECRETS:-/run/secrets}/postgres_service_password")
export PICTOR_SETUP_ROLE PICTOR_SERVICE_ROLE

psql -v ON_ERROR_STOP=1 --no-psqlrc --quiet --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" <<'SQL'
\getenv setup_password PICTOR_SETUP_ROLE
\getenv service_password PICTOR_SERVICE_ROLE
CREATE ROLE pictor_setup LOGIN PASSWORD :'setup_password' CONNECTION LIMIT 10;
CREATE ROLE pictor LOGIN PASSWORD :'service_password';
SELECT format('ALTER DATABASE %I OWNER TO pictor_setup', current_database()) \gexec
SELECT format('REVOKE ALL ON DATABASE %I FROM PUBLIC', current_database()) \gexec
SELECT format('GRANT CONNECT ON DATABASE %I TO pictor', current_database()) \gexec
ALTER SCHEMA public OWNER TO pictor_setup;
REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO pictor;
ALTER DEFAULT PRIVILEGES FOR ROLE pictor_setup GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO pictor;
ALTER DEFAULT PRIVILEGES FOR ROLE pictor_setup GRANT USAGE, SELECT ON SEQUENCES TO pictor;
SQL

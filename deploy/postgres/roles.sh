#!/bin/sh
# One role per class of services. pictor_setup owns the database and is used by the setup job alone, which grants the
# others their rights after every migration; none of them owns anything or sees past row-level security.
set -eu

secrets=${ROLE_SECRETS:-/run/secrets}

sql() {
    psql -v ON_ERROR_STOP=1 --no-psqlrc --quiet --username "$POSTGRES_USER" --dbname "$POSTGRES_DB"
}

role() {
    ROLE=$1 MOST=$2 PASSWORD=$(cat "$secrets/postgres_${1#pictor_}_password")
    export ROLE MOST PASSWORD
    sql <<'SQL'
\getenv role ROLE
\getenv most MOST
\getenv password PASSWORD
CREATE ROLE :"role" LOGIN NOSUPERUSER NOBYPASSRLS NOCREATEROLE NOCREATEDB NOREPLICATION PASSWORD :'password'
    CONNECTION LIMIT :most;
ALTER ROLE :"role" SET statement_timeout = '15s';
ALTER ROLE :"role" SET lock_timeout = '5s';
ALTER ROLE :"role" SET idle_in_transaction_session_timeout = '30s';
SELECT format('GRANT CONNECT ON DATABASE %I TO %I', current_database(), :'role') \gexec
SQL
}

role pictor_setup 4
role pictor_gateway 40
role pictor_ingest 12
role pictor_module 40
role pictor_stacker 12
role pictor_readonly 6
unset PASSWORD

sql <<'SQL'
SELECT format('ALTER DATABASE %I OWNER TO pictor_setup', current_database()) \gexec
SELECT format('REVOKE ALL ON DATABASE %I FROM PUBLIC', current_database()) \gexec
ALTER SCHEMA public OWNER TO pictor_setup;
REVOKE ALL ON SCHEMA public FROM PUBLIC;
SQL

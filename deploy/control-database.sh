set -eu

psql --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname postgres \
  --set owner_password="$CONTROL_OWNER_PASSWORD" \
  --set runtime_password="$CONTROL_RUNTIME_PASSWORD" \
  --set auth_password="$CONTROL_AUTH_PASSWORD" <<'SQL'
CREATE ROLE syneudp_owner LOGIN PASSWORD :'owner_password';
CREATE ROLE syneudp_runtime LOGIN PASSWORD :'runtime_password';
CREATE ROLE supabase_auth_admin LOGIN NOINHERIT CREATEROLE PASSWORD :'auth_password';
CREATE DATABASE syneudp OWNER syneudp_owner;
REVOKE ALL ON DATABASE syneudp FROM PUBLIC;
GRANT CONNECT ON DATABASE syneudp TO syneudp_runtime;
CREATE DATABASE auth;
REVOKE ALL ON DATABASE auth FROM PUBLIC;
GRANT CONNECT, CREATE, TEMPORARY ON DATABASE auth TO supabase_auth_admin;
REVOKE CONNECT ON DATABASE postgres, template1 FROM PUBLIC;
ALTER ROLE supabase_auth_admin IN DATABASE auth SET search_path = auth;
\connect auth
CREATE SCHEMA auth AUTHORIZATION supabase_auth_admin;
SQL

printf '%s\n' \
  'local all all scram-sha-256' \
  "host all \"$POSTGRES_USER\" all reject" \
  'host syneudp syneudp_owner,syneudp_runtime samenet scram-sha-256' \
  'host auth supabase_auth_admin samenet scram-sha-256' \
  >"$PGDATA/pg_hba.conf"

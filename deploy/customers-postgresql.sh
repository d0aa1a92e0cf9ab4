set -eu

openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 -subj "/CN=$SYNEUDP_CUSTOMER_HOST" \
  -addext "subjectAltName=DNS:localhost,DNS:postgresql" \
  -keyout "$PGDATA/server.key" -out "$PGDATA/server.crt" 2>/dev/null
chmod 600 "$PGDATA/server.key"

psql --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname postgres <<'SQL'
ALTER SYSTEM SET ssl = on;
ALTER SYSTEM SET password_encryption = 'scram-sha-256';
SQL

printf '%s\n' \
  'local all all scram-sha-256' \
  "hostssl all \"$POSTGRES_USER\",syneudp_agent $SYNEUDP_SERVICE_NETWORK scram-sha-256" \
  "host all \"$POSTGRES_USER\",syneudp_agent all reject" \
  'hostssl all all all scram-sha-256' \
  >"$PGDATA/pg_hba.conf"

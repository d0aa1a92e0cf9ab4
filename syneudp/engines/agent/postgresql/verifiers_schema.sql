CREATE SCHEMA IF NOT EXISTS prepared;

REVOKE ALL ON SCHEMA prepared FROM PUBLIC;

CREATE OR REPLACE FUNCTION prepared.keeps_verifier(username text, verifier text) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog
AS $told$
    SELECT coalesce(
        (SELECT rolpassword = $2 FROM pg_authid WHERE rolname = $1 AND rolname ~ '^u[a-z2-7]{20}$'), false
    )
$told$;

REVOKE ALL ON FUNCTION prepared.keeps_verifier(text, text) FROM PUBLIC;

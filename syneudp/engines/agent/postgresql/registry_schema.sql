SELECT pg_advisory_xact_lock(hashtextextended('registry', 0));

CREATE SCHEMA IF NOT EXISTS registry;

REVOKE ALL ON SCHEMA registry FROM PUBLIC;

CREATE TABLE IF NOT EXISTS registry.instances (
    database_name text PRIMARY KEY CHECK (database_name ~ '^db[a-z2-7]{20}$'),
    username text NOT NULL UNIQUE CHECK (username ~ '^u[a-z2-7]{20}$'),
    instance_id uuid UNIQUE,
    state text NOT NULL CHECK (state IN ('spare', 'running', 'suspended', 'terminated')),
    made boolean NOT NULL,
    accepted_generation bigint NOT NULL CHECK (accepted_generation >= 0),
    applied_generation bigint NOT NULL CHECK (applied_generation >= 0 AND applied_generation <= accepted_generation),
    credential_version bigint NOT NULL CHECK (credential_version >= 0),
    applied_credential_version bigint NOT NULL CHECK (applied_credential_version >= 0),
    verifier text NOT NULL CHECK (
        CASE WHEN state IN ('spare', 'terminated') THEN verifier = '' ELSE verifier LIKE 'SCRAM-SHA-256$%' END
    ),
    max_connections integer NOT NULL CHECK (max_connections >= 1),
    temp_bytes bigint NOT NULL CHECK (temp_bytes >= 0),
    statement_seconds integer NOT NULL DEFAULT 0 CHECK (statement_seconds >= 0),
    idle_transaction_seconds integer NOT NULL DEFAULT 0 CHECK (idle_transaction_seconds >= 0),
    memory_bytes bigint NOT NULL DEFAULT 0 CHECK (memory_bytes >= 0),
    may_grow boolean NOT NULL DEFAULT true,
    shape text NOT NULL DEFAULT '',
    changed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT instances_spare_is_nobodys CHECK ((state = 'spare') = (instance_id IS NULL)),
    CONSTRAINT instances_spare_has_no_generation CHECK ((state = 'spare') = (accepted_generation = 0))
);

CREATE INDEX IF NOT EXISTS instances_pending ON registry.instances (changed_at)
WHERE accepted_generation <> applied_generation;

CREATE INDEX IF NOT EXISTS instances_spare ON registry.instances (changed_at)
WHERE instance_id IS NULL;

CREATE OR REPLACE FUNCTION registry.take_lock(claimed uuid) RETURNS SETOF registry.instances
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_lock(hashtextextended(claimed::text, 0));
    RETURN QUERY SELECT * FROM registry.instances WHERE instance_id = claimed;
END
$$;

CREATE OR REPLACE FUNCTION registry.set_limits(
    username text, database_name text, names text[], wanted text[], held text[]
) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    role_oid oid := to_regrole(username);
    database_oid oid := (SELECT oid FROM pg_database WHERE datname = database_name);
    differing record;
BEGIN
    FOR differing IN
        SELECT limits.name, limits.value
        FROM unnest(names, wanted) AS limits (name, value)
        WHERE limits.value IS DISTINCT FROM (
            SELECT substr(entry, length(limits.name) + 2)
            FROM pg_db_role_setting AS settings, unnest(settings.setconfig) AS entry
            WHERE settings.setdatabase = 0
                AND settings.setrole = role_oid
                AND starts_with(entry, limits.name || '=')
        )
    LOOP
        IF differing.value IS NULL THEN
            EXECUTE format('ALTER ROLE %I RESET %I', username, differing.name);
        ELSE
            EXECUTE format('ALTER ROLE %I SET %I = %L', username, differing.name, differing.value);
        END IF;
    END LOOP;
    FOR differing IN
        SELECT split_part(entry, '=', 1) AS name
        FROM pg_db_role_setting AS settings, unnest(settings.setconfig) AS entry
        WHERE settings.setdatabase = database_oid
            AND settings.setrole = role_oid
            AND split_part(entry, '=', 1) = ANY(held)
    LOOP
        EXECUTE format('ALTER ROLE %I IN DATABASE %I RESET %I', username, database_name, differing.name);
    END LOOP;
END
$$;

CREATE OR REPLACE FUNCTION registry.take_spare(
    instance_id uuid, state text, generation bigint, credential_version bigint, verifier text, max_connections integer,
    temp_bytes bigint, statement_seconds integer, idle_transaction_seconds integer, memory_bytes bigint,
    may_grow boolean, shape text, names text[], wanted text[]
) RETURNS SETOF registry.instances
LANGUAGE plpgsql AS $$
DECLARE
    taken registry.instances;
BEGIN
    UPDATE registry.instances AS claimed
    SET
        instance_id = take_spare.instance_id,
        state = take_spare.state,
        accepted_generation = take_spare.generation,
        applied_generation = take_spare.generation,
        credential_version = take_spare.credential_version,
        applied_credential_version = take_spare.credential_version,
        verifier = take_spare.verifier,
        max_connections = take_spare.max_connections,
        temp_bytes = take_spare.temp_bytes,
        statement_seconds = take_spare.statement_seconds,
        idle_transaction_seconds = take_spare.idle_transaction_seconds,
        memory_bytes = take_spare.memory_bytes,
        may_grow = take_spare.may_grow,
        changed_at = clock_timestamp()
    WHERE claimed.instance_id IS NULL
        AND claimed.database_name = (
            SELECT spare.database_name
            FROM registry.instances AS spare
            JOIN pg_database AS found ON found.datname = spare.database_name AND found.datconnlimit <> -2
            WHERE spare.instance_id IS NULL AND spare.made AND spare.shape = take_spare.shape
            ORDER BY spare.changed_at
            LIMIT 1
            FOR UPDATE OF spare SKIP LOCKED
        )
    RETURNING claimed.* INTO taken;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    EXECUTE format(
        'ALTER ROLE %I LOGIN CONNECTION LIMIT %s PASSWORD %L', taken.username, taken.max_connections, taken.verifier
    );
    PERFORM registry.set_limits(taken.username, taken.database_name, names, wanted, '{}');
    RETURN NEXT taken;
END
$$;

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

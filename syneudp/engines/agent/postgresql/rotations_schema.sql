CREATE TABLE IF NOT EXISTS registry.rotations (
    username text PRIMARY KEY,
    changed_at timestamptz NOT NULL
)

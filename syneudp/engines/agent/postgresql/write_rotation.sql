WITH forgotten AS (
    DELETE FROM registry.rotations WHERE changed_at < clock_timestamp() - interval '15 minutes' AND username <> $1
)

INSERT INTO registry.rotations AS known (username, changed_at)
VALUES ($1, clock_timestamp())
ON CONFLICT (username) DO UPDATE SET changed_at = excluded.changed_at
RETURNING known.changed_at

SELECT
    kept.instance_id,
    kept.database_name,
    kept.username
FROM registry.instances AS kept
JOIN pg_database AS found ON found.datname = kept.database_name AND found.datallowconn AND found.datconnlimit <> -2
WHERE kept.state IN ('running', 'suspended')
    AND kept.accepted_generation = kept.applied_generation
    AND ($1::uuid IS NULL OR kept.instance_id > $1)
ORDER BY kept.instance_id
LIMIT $2

SELECT
    spare.database_name,
    spare.username,
    spare.made,
    spare.shape,
    EXISTS (SELECT FROM pg_database WHERE datname = spare.database_name AND datconnlimit <> -2)
    AND EXISTS (SELECT FROM pg_roles WHERE rolname = spare.username) AS whole
FROM registry.instances AS spare
WHERE spare.instance_id IS NULL
ORDER BY spare.changed_at

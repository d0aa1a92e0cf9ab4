SELECT found.datname::text
FROM pg_database AS found
WHERE found.datname ~ '^db[a-z2-7]{20}$'
    AND NOT EXISTS (SELECT FROM registry.instances AS kept WHERE kept.database_name = found.datname)
ORDER BY 1
LIMIT 1000

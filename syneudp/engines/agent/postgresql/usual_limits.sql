SELECT max_connections, temp_bytes, statement_seconds, idle_transaction_seconds, memory_bytes, may_grow
FROM registry.instances
WHERE state = 'running'
GROUP BY max_connections, temp_bytes, statement_seconds, idle_transaction_seconds, memory_bytes, may_grow
ORDER BY count(*) DESC
LIMIT 1

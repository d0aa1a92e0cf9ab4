SELECT
    watched.ID AS id,
    watched.USER AS username,
    CASE WHEN watched.COMMAND IN ('Sleep', 'Killed') THEN 0 ELSE watched.TIME_MS / 1000 END AS statement_seconds,
    CASE
        WHEN watched.COMMAND = 'Sleep' AND begun.trx_mysql_thread_id IS NOT NULL THEN watched.TIME_MS / 1000
        ELSE 0
    END AS idle_transaction_seconds,
    watched.MEMORY_USED AS memory_bytes,
    watched.TMP_SPACE_USED AS temp_bytes
FROM information_schema.PROCESSLIST AS watched
LEFT JOIN information_schema.INNODB_TRX AS begun ON begun.trx_mysql_thread_id = watched.ID
WHERE watched.USER REGEXP '^u[a-z2-7]{20}$'
ORDER BY id

SELECT
    watched.PROCESSLIST_ID AS id,
    watched.PROCESSLIST_USER AS username,
    CASE WHEN spoken.END_EVENT_ID IS NULL THEN spoken.TIMER_WAIT / 1000000000000 ELSE 0 END AS statement_seconds,
    CASE
        WHEN spoken.END_EVENT_ID IS NOT NULL AND begun.STATE = 'ACTIVE'
            THEN (mine.TIMER_END - spoken.TIMER_END) / 1000000000000
        ELSE 0
    END AS idle_transaction_seconds,
    watched.TOTAL_MEMORY AS memory_bytes,
    COALESCE((
        SELECT SUM(files.SIZE) FROM information_schema.INNODB_SESSION_TEMP_TABLESPACES AS files
        WHERE files.ID = watched.PROCESSLIST_ID
    ), 0) AS temp_bytes
FROM performance_schema.threads AS watched
LEFT JOIN performance_schema.events_statements_current AS spoken
    ON spoken.THREAD_ID = watched.THREAD_ID AND spoken.NESTING_EVENT_LEVEL = 0
LEFT JOIN performance_schema.events_transactions_current AS begun ON begun.THREAD_ID = watched.THREAD_ID
LEFT JOIN performance_schema.events_statements_current AS mine
    ON mine.THREAD_ID = PS_CURRENT_THREAD_ID() AND mine.NESTING_EVENT_LEVEL = 0
WHERE watched.TYPE = 'FOREGROUND' AND watched.PROCESSLIST_USER REGEXP '^u[a-z2-7]{20}$'
ORDER BY id

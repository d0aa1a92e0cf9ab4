SELECT COUNT(*) AS strangers
FROM information_schema.INNODB_TRX AS orphan
WHERE
    orphan.trx_mysql_thread_id = 0
    AND NOT EXISTS (
        SELECT 1 FROM performance_schema.data_locks AS held
        WHERE held.ENGINE_TRANSACTION_ID = orphan.trx_id AND held.OBJECT_SCHEMA = %(database)s
    )
    AND NOT EXISTS (
        SELECT 1
        FROM performance_schema.data_locks AS held
        INNER JOIN performance_schema.events_transactions_current AS begun
            ON begun.THREAD_ID = held.THREAD_ID AND begun.EVENT_ID < held.EVENT_ID AND begun.XA_STATE = 'PREPARED'
        WHERE held.ENGINE_TRANSACTION_ID = orphan.trx_id
    )

SELECT User AS username
FROM mysql.db
WHERE Db = %(database)s AND User <> %(username)s AND User REGEXP '^u[a-z2-7]{20}$'
UNION
SELECT User
FROM mysql.tables_priv
WHERE Db = %(database)s AND User <> %(username)s AND User REGEXP '^u[a-z2-7]{20}$'
UNION
SELECT User
FROM mysql.procs_priv
WHERE Db = %(database)s AND User <> %(username)s AND User REGEXP '^u[a-z2-7]{20}$'

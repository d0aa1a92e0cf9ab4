SELECT User AS username, '' AS database_name
FROM mysql.user
WHERE User REGEXP '^u[a-z2-7]{20}$' AND Grant_priv = 'Y'
UNION
SELECT User, Db
FROM mysql.db
WHERE User REGEXP '^u[a-z2-7]{20}$' AND (Db <> CONCAT('db', SUBSTRING(User, 2)) OR Grant_priv = 'Y')
UNION
SELECT User, Db
FROM mysql.tables_priv
WHERE User REGEXP '^u[a-z2-7]{20}$'
UNION
SELECT User, Db
FROM mysql.procs_priv
WHERE User REGEXP '^u[a-z2-7]{20}$' AND (Db <> CONCAT('db', SUBSTRING(User, 2)) OR FIND_IN_SET('Grant', Proc_priv) > 0)

-- customer_id
SELECT `t0`.`customer_id` AS `k` FROM `rows` AS `t0`
-- number
SELECT CAST(`t0`.`number` AS BIGINT) AS `k` FROM `rows` AS `t0`
-- email
SELECT CAST(CONV(SUBSTRING(SHA2(`t0`.`email`, 256), 1, 15), 16, 10) AS BIGINT) AS `k` FROM `rows` AS `t0`
-- token
SELECT CAST(CONV(SUBSTRING(SHA2(LOWER(CAST(`t0`.`token` AS STRING)), 256), 1, 15), 16, 10) AS BIGINT) AS `k` FROM `rows` AS `t0`
-- day
SELECT CAST(CONV(SUBSTRING(SHA2(CAST(`t0`.`day` AS STRING), 256), 1, 15), 16, 10) AS BIGINT) AS `k` FROM `rows` AS `t0`
-- seen
-- the key seen is TIMESTAMP, which cannot be said exactly in databricks: a moment without a time zone is read in that of the server or session
-- zoned
SELECT CAST(CONV(SUBSTRING(SHA2(CAST(UNIX_MICROS(`t0`.`zoned`) AS STRING), 256), 1, 15), 16, 10) AS BIGINT) AS `k` FROM `rows` AS `t0`
-- price
SELECT CAST(CONV(SUBSTRING(SHA2(CAST(`t0`.`price` AS STRING), 256), 1, 15), 16, 10) AS BIGINT) AS `k` FROM `rows` AS `t0`
-- active
SELECT CAST(CONV(SUBSTRING(SHA2(CAST(`t0`.`active` AS STRING), 256), 1, 15), 16, 10) AS BIGINT) AS `k` FROM `rows` AS `t0`
-- number, email
SELECT CAST(CONV(SUBSTRING(SHA2(CONCAT(CONCAT(CONCAT(CAST(LENGTH(CAST(`t0`.`number` AS STRING)) AS STRING), ':'), CAST(`t0`.`number` AS STRING)), CONCAT(CONCAT(CAST(LENGTH(`t0`.`email`) AS STRING), ':'), `t0`.`email`)), 256), 1, 15), 16, 10) AS BIGINT) AS `k` FROM `rows` AS `t0`
-- unsigned, day
SELECT CAST(CONV(SUBSTRING(SHA2(CONCAT(CONCAT(CONCAT(CAST(LENGTH(CAST(`t0`.`unsigned` AS STRING)) AS STRING), ':'), CAST(`t0`.`unsigned` AS STRING)), CONCAT(CONCAT(CAST(LENGTH(CAST(`t0`.`day` AS STRING)) AS STRING), ':'), CAST(`t0`.`day` AS STRING))), 256), 1, 15), 16, 10) AS BIGINT) AS `k` FROM `rows` AS `t0`

-- customer_id
SELECT `t0`.`customer_id` AS `k` FROM `rows` AS `t0`
-- number
SELECT CAST(`t0`.`number` AS INT64) AS `k` FROM `rows` AS `t0`
-- email
SELECT CAST(CONCAT('0x', substr(TO_HEX(SHA256(`t0`.`email`)), 1, 15)) AS INT64) AS `k` FROM `rows` AS `t0`
-- token
SELECT CAST(CONCAT('0x', substr(TO_HEX(SHA256(LOWER(CAST(`t0`.`token` AS STRING)))), 1, 15)) AS INT64) AS `k` FROM `rows` AS `t0`
-- day
SELECT CAST(CONCAT('0x', substr(TO_HEX(SHA256(CAST(`t0`.`day` AS STRING))), 1, 15)) AS INT64) AS `k` FROM `rows` AS `t0`
-- seen
SELECT CAST(CONCAT('0x', substr(TO_HEX(SHA256(CAST(unix_micros(timestamp(`t0`.`seen`, 'UTC')) AS STRING))), 1, 15)) AS INT64) AS `k` FROM `rows` AS `t0`
-- zoned
SELECT CAST(CONCAT('0x', substr(TO_HEX(SHA256(CAST(unix_micros(`t0`.`zoned`) AS STRING))), 1, 15)) AS INT64) AS `k` FROM `rows` AS `t0`
-- price
SELECT CAST(CONCAT('0x', substr(TO_HEX(SHA256(format('%.2f', `t0`.`price`))), 1, 15)) AS INT64) AS `k` FROM `rows` AS `t0`
-- active
SELECT CAST(CONCAT('0x', substr(TO_HEX(SHA256(CAST(`t0`.`active` AS STRING))), 1, 15)) AS INT64) AS `k` FROM `rows` AS `t0`
-- number, email
SELECT CAST(CONCAT('0x', substr(TO_HEX(SHA256(CONCAT(CONCAT(CONCAT(CAST(LENGTH(CAST(`t0`.`number` AS STRING)) AS STRING), ':'), CAST(`t0`.`number` AS STRING)), CONCAT(CONCAT(CAST(LENGTH(`t0`.`email`) AS STRING), ':'), `t0`.`email`)))), 1, 15)) AS INT64) AS `k` FROM `rows` AS `t0`
-- unsigned, day
SELECT CAST(CONCAT('0x', substr(TO_HEX(SHA256(CONCAT(CONCAT(CONCAT(CAST(LENGTH(CAST(`t0`.`unsigned` AS STRING)) AS STRING), ':'), CAST(`t0`.`unsigned` AS STRING)), CONCAT(CONCAT(CAST(LENGTH(CAST(`t0`.`day` AS STRING)) AS STRING), ':'), CAST(`t0`.`day` AS STRING))))), 1, 15)) AS INT64) AS `k` FROM `rows` AS `t0`

-- customer_id
SELECT "t0"."customer_id" AS "k" FROM "rows" AS "t0"
-- number
SELECT CAST("t0"."number" AS Nullable(Int64)) AS "k" FROM "rows" AS "t0"
-- email
SELECT reinterpretAsInt64(reverse(unhex(CONCAT('0', SUBSTRING(HEX(SHA256("t0"."email")), 1, 15))))) AS "k" FROM "rows" AS "t0"
-- token
SELECT reinterpretAsInt64(reverse(unhex(CONCAT('0', SUBSTRING(HEX(SHA256(LOWER(CAST("t0"."token" AS Nullable(String))))), 1, 15))))) AS "k" FROM "rows" AS "t0"
-- day
SELECT reinterpretAsInt64(reverse(unhex(CONCAT('0', SUBSTRING(HEX(SHA256(CAST("t0"."day" AS Nullable(String)))), 1, 15))))) AS "k" FROM "rows" AS "t0"
-- seen
-- the key seen is TIMESTAMP, which cannot be said exactly in clickhouse: a moment without a time zone is read in that of the server or session
-- zoned
SELECT reinterpretAsInt64(reverse(unhex(CONCAT('0', SUBSTRING(HEX(SHA256(CAST(toUnixTimestamp64Micro(toDateTime64("t0"."zoned", 6)) AS Nullable(String)))), 1, 15))))) AS "k" FROM "rows" AS "t0"
-- price
SELECT reinterpretAsInt64(reverse(unhex(CONCAT('0', SUBSTRING(HEX(SHA256(toDecimalString("t0"."price", 2))), 1, 15))))) AS "k" FROM "rows" AS "t0"
-- active
SELECT reinterpretAsInt64(reverse(unhex(CONCAT('0', SUBSTRING(HEX(SHA256(CAST("t0"."active" AS Nullable(String)))), 1, 15))))) AS "k" FROM "rows" AS "t0"
-- number, email
SELECT reinterpretAsInt64(reverse(unhex(CONCAT('0', SUBSTRING(HEX(SHA256(CONCAT(CONCAT(CONCAT(CAST(lengthUTF8(CAST("t0"."number" AS Nullable(String))) AS Nullable(String)), ':'), CAST("t0"."number" AS Nullable(String))), CONCAT(CONCAT(CAST(lengthUTF8("t0"."email") AS Nullable(String)), ':'), "t0"."email")))), 1, 15))))) AS "k" FROM "rows" AS "t0"
-- unsigned, day
SELECT reinterpretAsInt64(reverse(unhex(CONCAT('0', SUBSTRING(HEX(SHA256(CONCAT(CONCAT(CONCAT(CAST(lengthUTF8(CAST("t0"."unsigned" AS Nullable(String))) AS Nullable(String)), ':'), CAST("t0"."unsigned" AS Nullable(String))), CONCAT(CONCAT(CAST(lengthUTF8(CAST("t0"."day" AS Nullable(String))) AS Nullable(String)), ':'), CAST("t0"."day" AS Nullable(String)))))), 1, 15))))) AS "k" FROM "rows" AS "t0"

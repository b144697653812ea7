-- The sample 2ebe2b9e43a5 as SQL for clickhouse; compiled, not run: no test carries it out there.
-- It draws the rows that sandbox sample draws, where the tables hold the same values.
-- Thresholds and bins are those of the source when it was counted just now.

-- the units of each stratum: people
SELECT
  *
FROM (
  SELECT
    "t12"."regions_name" AS "regions_name",
    COUNT(*) AS "population"
  FROM (
    SELECT
      "t11"."label_0" AS "regions_name",
      "t11"."country" AS "key_0",
      "t11"."number" AS "key_1"
    FROM (
      SELECT
        "t7"."country" AS "country",
        "t7"."number" AS "number",
        "t7"."city" AS "city",
        "t7"."kind" AS "kind",
        "t7"."spent" AS "spent",
        "t7"."born" AS "born",
        "t7"."active" AS "active",
        "t10"."value" AS "label_0"
      FROM (
        SELECT
          *
        FROM "people" AS "t0"
        WHERE
          "t0"."active"
          AND "t0"."born" >= CAST('1945-01-01' AS Nullable(Date32))
          AND "t0"."born" <= CAST('2010-12-31' AS Nullable(Date32))
          AND NOT (
            (
              (
                "t0"."kind" = 'b'
              )
              AND (
                "t0"."spent" > CAST('800.00' AS Nullable(Decimal(9, 2)))
              )
            )
            OR (
              (
                "t0"."city" = 3
              ) OR (
                "t0"."city" = 4
              )
            )
          )
      ) AS "t7"
      LEFT OUTER JOIN (
        SELECT DISTINCT
          *
        FROM (
          SELECT
            "t3"."id" AS "key_0",
            "t5"."value" AS "value"
          FROM "cities" AS "t3"
          LEFT OUTER JOIN (
            SELECT DISTINCT
              "t2"."code" AS "key_0",
              "t2"."name" AS "value"
            FROM "regions" AS "t2"
            WHERE
              isNotNull("t2"."code")
          ) AS "t5"
            ON "t3"."region" = "t5"."key_0"
        ) AS "t8"
        WHERE
          isNotNull("t8"."key_0")
      ) AS "t10"
        ON "t7"."city" = "t10"."key_0"
    ) AS "t11"
    WHERE
      isNotNull("t11"."country") AND isNotNull("t11"."number")
  ) AS "t12"
  GROUP BY
    "t12"."regions_name"
) AS "t13"
ORDER BY
  "t13"."regions_name" ASC
SETTINGS join_use_nulls = 1;

-- the units of each stratum: shops
SELECT
  *
FROM (
  SELECT
    "t1"."class" AS "class",
    COUNT(*) AS "population"
  FROM (
    SELECT
      CASE
        WHEN isNotNull("t0"."class")
        THEN CASE WHEN "t0"."class" >= CAST('2' AS Nullable(Int64)) THEN 1 ELSE 0 END
        ELSE CAST(NULL AS Nullable(Int32))
      END AS "class",
      "t0"."id" AS "key_0"
    FROM "shops" AS "t0"
    WHERE
      isNotNull("t0"."id")
  ) AS "t1"
  GROUP BY
    "t1"."class"
) AS "t2"
ORDER BY
  "t2"."class" ASC
SETTINGS join_use_nulls = 1;

-- the units of each stratum: devices
SELECT
  *
FROM (
  SELECT
    "t1"."seen" AS "seen",
    "t1"."seen_is_rare" AS "seen_is_rare",
    COUNT(*) AS "population"
  FROM (
    SELECT DISTINCT
      CASE
        WHEN isNotNull("t0"."seen")
        THEN CAST(NULL AS Nullable(Int64))
        ELSE "t0"."seen"
      END AS "seen",
      CASE WHEN isNotNull("t0"."seen") THEN 1 ELSE 0 END AS "seen_is_rare",
      "t0"."token" AS "key_0"
    FROM "devices" AS "t0"
    WHERE
      isNotNull("t0"."token")
  ) AS "t1"
  GROUP BY
    "t1"."seen",
    "t1"."seen_is_rare"
) AS "t2"
ORDER BY
  "t2"."seen" ASC,
  "t2"."seen_is_rare" ASC
SETTINGS join_use_nulls = 1;

-- the rows of the sample: people
WITH "t19" AS (
  SELECT
    "t18"."id" AS "id",
    "t18"."owner_country" AS "owner_country",
    "t18"."owner_number" AS "owner_number",
    "t18"."class" AS "class"
  FROM (
    SELECT
      "t14"."id" AS "id",
      "t14"."owner_country" AS "owner_country",
      "t14"."owner_number" AS "owner_number",
      "t14"."class" AS "class",
      "t14"."label_0" AS "label_0",
      "t14"."k" AS "k",
      "t14"."x" AS "x",
      (
        (
          (
            (
              (
                (
                  (
                    (
                      "t14"."x" * 233927391
                    ) + 1529773703
                  ) % 2147483647
                ) * "t14"."x"
              ) + 643087831
            ) % 2147483647
          ) * "t14"."x"
        ) + 1243470796
      ) % 2147483647 AS "u"
    FROM (
      SELECT
        "t1"."id" AS "id",
        "t1"."owner_country" AS "owner_country",
        "t1"."owner_number" AS "owner_number",
        "t1"."class" AS "class",
        CASE
          WHEN isNotNull("t1"."class")
          THEN CASE WHEN "t1"."class" >= CAST('2' AS Nullable(Int64)) THEN 1 ELSE 0 END
          ELSE CAST(NULL AS Nullable(Int32))
        END AS "label_0",
        "t1"."id" AS "k",
        (
          bitAnd("t1"."id", 2147483647) + (
            (
              bitAnd(
                bitShiftRight(CAST("t1"."id" AS Nullable(Int64)), CAST(31 AS Nullable(Int64))),
                2147483647
              ) * 1003948111
            ) % 2147483647
          ) + (
            (
              bitAnd(bitShiftRight(CAST("t1"."id" AS Nullable(Int64)), CAST(62 AS Nullable(Int64))), 3) * 1587976840
            ) % 2147483647
          )
        ) % 2147483647 AS "x"
      FROM "shops" AS "t1"
    ) AS "t14"
  ) AS "t18"
  WHERE
    "t18"."u" < CASE
      WHEN "t18"."label_0" = 0
      THEN 644245094
      WHEN "t18"."label_0" = 1
      THEN 644245094
      ELSE 0
    END
), "t24" AS (
  SELECT
    "t23"."country" AS "country",
    "t23"."number" AS "number",
    "t23"."city" AS "city",
    "t23"."kind" AS "kind",
    "t23"."spent" AS "spent",
    "t23"."born" AS "born",
    "t23"."active" AS "active",
    "t23"."label_0" AS "label_0",
    "t23"."k" AS "k",
    "t23"."x" AS "x",
    (
      (
        (
          (
            (
              (
                (
                  (
                    "t23"."x" * 1432120298
                  ) + 119592875
                ) % 2147483647
              ) * "t23"."x"
            ) + 2005623711
          ) % 2147483647
        ) * "t23"."x"
      ) + 1302416452
    ) % 2147483647 AS "u"
  FROM (
    SELECT
      "t20"."country" AS "country",
      "t20"."number" AS "number",
      "t20"."city" AS "city",
      "t20"."kind" AS "kind",
      "t20"."spent" AS "spent",
      "t20"."born" AS "born",
      "t20"."active" AS "active",
      "t20"."label_0" AS "label_0",
      "t20"."k" AS "k",
      (
        bitAnd("t20"."k", 2147483647) + (
          (
            bitAnd(
              bitShiftRight(CAST("t20"."k" AS Nullable(Int64)), CAST(31 AS Nullable(Int64))),
              2147483647
            ) * 768400634
          ) % 2147483647
        ) + (
          (
            bitAnd(bitShiftRight(CAST("t20"."k" AS Nullable(Int64)), CAST(62 AS Nullable(Int64))), 3) * 111147298
          ) % 2147483647
        )
      ) % 2147483647 AS "x"
    FROM (
      SELECT
        "t17"."country" AS "country",
        "t17"."number" AS "number",
        "t17"."city" AS "city",
        "t17"."kind" AS "kind",
        "t17"."spent" AS "spent",
        "t17"."born" AS "born",
        "t17"."active" AS "active",
        "t17"."label_0" AS "label_0",
        reinterpretAsInt64(
          reverse(
            unhex(
              CONCAT(
                '0',
                SUBSTRING(
                  HEX(
                    SHA256(
                      CONCAT(
                        CONCAT(
                          CONCAT(CAST(lengthUTF8("t17"."country") AS Nullable(String)), ':'),
                          "t17"."country"
                        ),
                        CONCAT(
                          CONCAT(
                            CAST(lengthUTF8(CAST("t17"."number" AS Nullable(String))) AS Nullable(String)),
                            ':'
                          ),
                          CAST("t17"."number" AS Nullable(String))
                        )
                      )
                    )
                  ),
                  1,
                  15
                )
              )
            )
          )
        ) AS "k"
      FROM (
        SELECT
          "t12"."country" AS "country",
          "t12"."number" AS "number",
          "t12"."city" AS "city",
          "t12"."kind" AS "kind",
          "t12"."spent" AS "spent",
          "t12"."born" AS "born",
          "t12"."active" AS "active",
          "t16"."value" AS "label_0"
        FROM (
          SELECT
            *
          FROM "people" AS "t0"
          WHERE
            "t0"."active"
            AND "t0"."born" >= CAST('1945-01-01' AS Nullable(Date32))
            AND "t0"."born" <= CAST('2010-12-31' AS Nullable(Date32))
            AND NOT (
              (
                (
                  "t0"."kind" = 'b'
                )
                AND (
                  "t0"."spent" > CAST('800.00' AS Nullable(Decimal(9, 2)))
                )
              )
              OR (
                (
                  "t0"."city" = 3
                ) OR (
                  "t0"."city" = 4
                )
              )
            )
        ) AS "t12"
        LEFT OUTER JOIN (
          SELECT DISTINCT
            *
          FROM (
            SELECT
              "t7"."id" AS "key_0",
              "t10"."value" AS "value"
            FROM "cities" AS "t7"
            LEFT OUTER JOIN (
              SELECT DISTINCT
                "t4"."code" AS "key_0",
                "t4"."name" AS "value"
              FROM "regions" AS "t4"
              WHERE
                isNotNull("t4"."code")
            ) AS "t10"
              ON "t7"."region" = "t10"."key_0"
          ) AS "t13"
          WHERE
            isNotNull("t13"."key_0")
        ) AS "t16"
          ON "t12"."city" = "t16"."key_0"
      ) AS "t17"
    ) AS "t20"
  ) AS "t23"
), "t26" AS (
  SELECT
    "t25"."country" AS "country",
    "t25"."number" AS "number",
    "t25"."city" AS "city",
    "t25"."kind" AS "kind",
    "t25"."spent" AS "spent",
    "t25"."born" AS "born",
    "t25"."active" AS "active"
  FROM "t24" AS "t25"
  WHERE
    "t25"."u" < CASE
      WHEN "t25"."label_0" = 'Region 0'
      THEN 429496729
      WHEN "t25"."label_0" = 'Region 1'
      THEN 429496729
      WHEN "t25"."label_0" = 'Region 2'
      THEN 429496729
      WHEN isNull("t25"."label_0")
      THEN 429496729
      ELSE 0
    END
)
SELECT
  *
FROM "t26" AS "t28"
UNION ALL
SELECT
  *
FROM (
  SELECT
    "t5"."country" AS "country",
    "t5"."number" AS "number",
    "t5"."city" AS "city",
    "t5"."kind" AS "kind",
    "t5"."spent" AS "spent",
    "t5"."born" AS "born",
    "t5"."active" AS "active"
  FROM "people" AS "t5"
  LEFT SEMI JOIN (
    SELECT
      "t36"."key_0" AS "key_0",
      "t36"."key_1" AS "key_1"
    FROM (
      SELECT
        "t34"."owner_country" AS "key_0",
        "t34"."owner_number" AS "key_1"
      FROM (
        SELECT
          *
        FROM "t19" AS "t21"
        UNION ALL
        SELECT
          *
        FROM (
          SELECT
            "t6"."id" AS "id",
            "t6"."owner_country" AS "owner_country",
            "t6"."owner_number" AS "owner_number",
            "t6"."class" AS "class"
          FROM "shops" AS "t6"
          LEFT SEMI JOIN (
            SELECT
              "t8"."shop" AS "key_0"
            FROM "visits" AS "t8"
            LEFT SEMI JOIN (
              SELECT
                "t25"."country" AS "key_0",
                "t25"."number" AS "key_1"
              FROM "t24" AS "t25"
              WHERE
                "t25"."u" < CASE
                  WHEN "t25"."label_0" = 'Region 0'
                  THEN 429496729
                  WHEN "t25"."label_0" = 'Region 1'
                  THEN 429496729
                  WHEN "t25"."label_0" = 'Region 2'
                  THEN 429496729
                  WHEN isNull("t25"."label_0")
                  THEN 429496729
                  ELSE 0
                END
            ) AS "t29"
              ON "t8"."country" = "t29"."key_0" AND "t8"."number" = "t29"."key_1"
            LEFT ANTI JOIN "t19" AS "t22"
              ON "t8"."shop" = "t22"."id"
          ) AS "t32"
            ON "t32"."key_0" = "t6"."id"
        ) AS "t33"
      ) AS "t34"
    ) AS "t36"
    LEFT ANTI JOIN "t26" AS "t30"
      ON "t36"."key_0" = "t30"."country" AND "t36"."key_1" = "t30"."number"
  ) AS "t38"
    ON "t38"."key_0" = "t5"."country" AND "t38"."key_1" = "t5"."number"
) AS "t39"
SETTINGS join_use_nulls = 1;

-- the rows of the sample: shops
WITH "t18" AS (
  SELECT
    "t17"."id" AS "id",
    "t17"."owner_country" AS "owner_country",
    "t17"."owner_number" AS "owner_number",
    "t17"."class" AS "class"
  FROM (
    SELECT
      "t13"."id" AS "id",
      "t13"."owner_country" AS "owner_country",
      "t13"."owner_number" AS "owner_number",
      "t13"."class" AS "class",
      "t13"."label_0" AS "label_0",
      "t13"."k" AS "k",
      "t13"."x" AS "x",
      (
        (
          (
            (
              (
                (
                  (
                    (
                      "t13"."x" * 233927391
                    ) + 1529773703
                  ) % 2147483647
                ) * "t13"."x"
              ) + 643087831
            ) % 2147483647
          ) * "t13"."x"
        ) + 1243470796
      ) % 2147483647 AS "u"
    FROM (
      SELECT
        "t0"."id" AS "id",
        "t0"."owner_country" AS "owner_country",
        "t0"."owner_number" AS "owner_number",
        "t0"."class" AS "class",
        CASE
          WHEN isNotNull("t0"."class")
          THEN CASE WHEN "t0"."class" >= CAST('2' AS Nullable(Int64)) THEN 1 ELSE 0 END
          ELSE CAST(NULL AS Nullable(Int32))
        END AS "label_0",
        "t0"."id" AS "k",
        (
          bitAnd("t0"."id", 2147483647) + (
            (
              bitAnd(
                bitShiftRight(CAST("t0"."id" AS Nullable(Int64)), CAST(31 AS Nullable(Int64))),
                2147483647
              ) * 1003948111
            ) % 2147483647
          ) + (
            (
              bitAnd(bitShiftRight(CAST("t0"."id" AS Nullable(Int64)), CAST(62 AS Nullable(Int64))), 3) * 1587976840
            ) % 2147483647
          )
        ) % 2147483647 AS "x"
      FROM "shops" AS "t0"
    ) AS "t13"
  ) AS "t17"
  WHERE
    "t17"."u" < CASE
      WHEN "t17"."label_0" = 0
      THEN 644245094
      WHEN "t17"."label_0" = 1
      THEN 644245094
      ELSE 0
    END
)
SELECT
  *
FROM "t18" AS "t20"
UNION ALL
SELECT
  *
FROM (
  SELECT
    "t5"."id" AS "id",
    "t5"."owner_country" AS "owner_country",
    "t5"."owner_number" AS "owner_number",
    "t5"."class" AS "class"
  FROM "shops" AS "t5"
  LEFT SEMI JOIN (
    SELECT
      "t6"."shop" AS "key_0"
    FROM "visits" AS "t6"
    LEFT SEMI JOIN (
      SELECT
        "t23"."country" AS "key_0",
        "t23"."number" AS "key_1"
      FROM (
        SELECT
          "t22"."country" AS "country",
          "t22"."number" AS "number",
          "t22"."city" AS "city",
          "t22"."kind" AS "kind",
          "t22"."spent" AS "spent",
          "t22"."born" AS "born",
          "t22"."active" AS "active",
          "t22"."label_0" AS "label_0",
          "t22"."k" AS "k",
          "t22"."x" AS "x",
          (
            (
              (
                (
                  (
                    (
                      (
                        (
                          "t22"."x" * 1432120298
                        ) + 119592875
                      ) % 2147483647
                    ) * "t22"."x"
                  ) + 2005623711
                ) % 2147483647
              ) * "t22"."x"
            ) + 1302416452
          ) % 2147483647 AS "u"
        FROM (
          SELECT
            "t19"."country" AS "country",
            "t19"."number" AS "number",
            "t19"."city" AS "city",
            "t19"."kind" AS "kind",
            "t19"."spent" AS "spent",
            "t19"."born" AS "born",
            "t19"."active" AS "active",
            "t19"."label_0" AS "label_0",
            "t19"."k" AS "k",
            (
              bitAnd("t19"."k", 2147483647) + (
                (
                  bitAnd(
                    bitShiftRight(CAST("t19"."k" AS Nullable(Int64)), CAST(31 AS Nullable(Int64))),
                    2147483647
                  ) * 768400634
                ) % 2147483647
              ) + (
                (
                  bitAnd(bitShiftRight(CAST("t19"."k" AS Nullable(Int64)), CAST(62 AS Nullable(Int64))), 3) * 111147298
                ) % 2147483647
              )
            ) % 2147483647 AS "x"
          FROM (
            SELECT
              "t16"."country" AS "country",
              "t16"."number" AS "number",
              "t16"."city" AS "city",
              "t16"."kind" AS "kind",
              "t16"."spent" AS "spent",
              "t16"."born" AS "born",
              "t16"."active" AS "active",
              "t16"."label_0" AS "label_0",
              reinterpretAsInt64(
                reverse(
                  unhex(
                    CONCAT(
                      '0',
                      SUBSTRING(
                        HEX(
                          SHA256(
                            CONCAT(
                              CONCAT(
                                CONCAT(CAST(lengthUTF8("t16"."country") AS Nullable(String)), ':'),
                                "t16"."country"
                              ),
                              CONCAT(
                                CONCAT(
                                  CAST(lengthUTF8(CAST("t16"."number" AS Nullable(String))) AS Nullable(String)),
                                  ':'
                                ),
                                CAST("t16"."number" AS Nullable(String))
                              )
                            )
                          )
                        ),
                        1,
                        15
                      )
                    )
                  )
                )
              ) AS "k"
            FROM (
              SELECT
                "t11"."country" AS "country",
                "t11"."number" AS "number",
                "t11"."city" AS "city",
                "t11"."kind" AS "kind",
                "t11"."spent" AS "spent",
                "t11"."born" AS "born",
                "t11"."active" AS "active",
                "t15"."value" AS "label_0"
              FROM (
                SELECT
                  *
                FROM "people" AS "t2"
                WHERE
                  "t2"."active"
                  AND "t2"."born" >= CAST('1945-01-01' AS Nullable(Date32))
                  AND "t2"."born" <= CAST('2010-12-31' AS Nullable(Date32))
                  AND NOT (
                    (
                      (
                        "t2"."kind" = 'b'
                      )
                      AND (
                        "t2"."spent" > CAST('800.00' AS Nullable(Decimal(9, 2)))
                      )
                    )
                    OR (
                      (
                        "t2"."city" = 3
                      ) OR (
                        "t2"."city" = 4
                      )
                    )
                  )
              ) AS "t11"
              LEFT OUTER JOIN (
                SELECT DISTINCT
                  *
                FROM (
                  SELECT
                    "t7"."id" AS "key_0",
                    "t9"."value" AS "value"
                  FROM "cities" AS "t7"
                  LEFT OUTER JOIN (
                    SELECT DISTINCT
                      "t4"."code" AS "key_0",
                      "t4"."name" AS "value"
                    FROM "regions" AS "t4"
                    WHERE
                      isNotNull("t4"."code")
                  ) AS "t9"
                    ON "t7"."region" = "t9"."key_0"
                ) AS "t12"
                WHERE
                  isNotNull("t12"."key_0")
              ) AS "t15"
                ON "t11"."city" = "t15"."key_0"
            ) AS "t16"
          ) AS "t19"
        ) AS "t22"
      ) AS "t23"
      WHERE
        "t23"."u" < CASE
          WHEN "t23"."label_0" = 'Region 0'
          THEN 429496729
          WHEN "t23"."label_0" = 'Region 1'
          THEN 429496729
          WHEN "t23"."label_0" = 'Region 2'
          THEN 429496729
          WHEN isNull("t23"."label_0")
          THEN 429496729
          ELSE 0
        END
    ) AS "t25"
      ON "t6"."country" = "t25"."key_0" AND "t6"."number" = "t25"."key_1"
    LEFT ANTI JOIN "t18" AS "t21"
      ON "t6"."shop" = "t21"."id"
  ) AS "t27"
    ON "t27"."key_0" = "t5"."id"
) AS "t28"
SETTINGS join_use_nulls = 1;

-- the rows of the sample: devices
SELECT
  "t4"."token" AS "token",
  "t4"."seen" AS "seen",
  "t4"."day" AS "day"
FROM (
  SELECT
    "t3"."token" AS "token",
    "t3"."seen" AS "seen",
    "t3"."day" AS "day",
    "t3"."label_0" AS "label_0",
    "t3"."k" AS "k",
    "t3"."x" AS "x",
    (
      (
        (
          (
            (
              (
                (
                  (
                    "t3"."x" * 1632652404
                  ) + 213683610
                ) % 2147483647
              ) * "t3"."x"
            ) + 1747084560
          ) % 2147483647
        ) * "t3"."x"
      ) + 1656507817
    ) % 2147483647 AS "u"
  FROM (
    SELECT
      "t2"."token" AS "token",
      "t2"."seen" AS "seen",
      "t2"."day" AS "day",
      "t2"."label_0" AS "label_0",
      "t2"."k" AS "k",
      (
        bitAnd("t2"."k", 2147483647) + (
          (
            bitAnd(
              bitShiftRight(CAST("t2"."k" AS Nullable(Int64)), CAST(31 AS Nullable(Int64))),
              2147483647
            ) * 1690167661
          ) % 2147483647
        ) + (
          (
            bitAnd(bitShiftRight(CAST("t2"."k" AS Nullable(Int64)), CAST(62 AS Nullable(Int64))), 3) * 614014901
          ) % 2147483647
        )
      ) % 2147483647 AS "x"
    FROM (
      SELECT
        "t1"."token" AS "token",
        "t1"."seen" AS "seen",
        "t1"."day" AS "day",
        "t1"."label_0" AS "label_0",
        reinterpretAsInt64(
          reverse(
            unhex(
              CONCAT('0', SUBSTRING(HEX(SHA256(LOWER(CAST("t1"."token" AS Nullable(String))))), 1, 15))
            )
          )
        ) AS "k"
      FROM (
        SELECT
          "t0"."token" AS "token",
          "t0"."seen" AS "seen",
          "t0"."day" AS "day",
          "t0"."seen" AS "label_0"
        FROM "devices" AS "t0"
      ) AS "t1"
    ) AS "t2"
  ) AS "t3"
) AS "t4"
WHERE
  "t4"."u" < CASE WHEN isNotNull("t4"."label_0") THEN 536870912 ELSE 0 END
SETTINGS join_use_nulls = 1;

-- the rows of the sample: visits
SELECT
  "t4"."id" AS "id",
  "t4"."country" AS "country",
  "t4"."number" AS "number",
  "t4"."place" AS "place",
  "t4"."shop" AS "shop"
FROM "visits" AS "t4"
LEFT SEMI JOIN (
  SELECT
    "t16"."country" AS "key_0",
    "t16"."number" AS "key_1"
  FROM (
    SELECT
      "t15"."country" AS "country",
      "t15"."number" AS "number",
      "t15"."city" AS "city",
      "t15"."kind" AS "kind",
      "t15"."spent" AS "spent",
      "t15"."born" AS "born",
      "t15"."active" AS "active",
      "t15"."label_0" AS "label_0",
      "t15"."k" AS "k",
      "t15"."x" AS "x",
      (
        (
          (
            (
              (
                (
                  (
                    (
                      "t15"."x" * 1432120298
                    ) + 119592875
                  ) % 2147483647
                ) * "t15"."x"
              ) + 2005623711
            ) % 2147483647
          ) * "t15"."x"
        ) + 1302416452
      ) % 2147483647 AS "u"
    FROM (
      SELECT
        "t14"."country" AS "country",
        "t14"."number" AS "number",
        "t14"."city" AS "city",
        "t14"."kind" AS "kind",
        "t14"."spent" AS "spent",
        "t14"."born" AS "born",
        "t14"."active" AS "active",
        "t14"."label_0" AS "label_0",
        "t14"."k" AS "k",
        (
          bitAnd("t14"."k", 2147483647) + (
            (
              bitAnd(
                bitShiftRight(CAST("t14"."k" AS Nullable(Int64)), CAST(31 AS Nullable(Int64))),
                2147483647
              ) * 768400634
            ) % 2147483647
          ) + (
            (
              bitAnd(bitShiftRight(CAST("t14"."k" AS Nullable(Int64)), CAST(62 AS Nullable(Int64))), 3) * 111147298
            ) % 2147483647
          )
        ) % 2147483647 AS "x"
      FROM (
        SELECT
          "t13"."country" AS "country",
          "t13"."number" AS "number",
          "t13"."city" AS "city",
          "t13"."kind" AS "kind",
          "t13"."spent" AS "spent",
          "t13"."born" AS "born",
          "t13"."active" AS "active",
          "t13"."label_0" AS "label_0",
          reinterpretAsInt64(
            reverse(
              unhex(
                CONCAT(
                  '0',
                  SUBSTRING(
                    HEX(
                      SHA256(
                        CONCAT(
                          CONCAT(
                            CONCAT(CAST(lengthUTF8("t13"."country") AS Nullable(String)), ':'),
                            "t13"."country"
                          ),
                          CONCAT(
                            CONCAT(
                              CAST(lengthUTF8(CAST("t13"."number" AS Nullable(String))) AS Nullable(String)),
                              ':'
                            ),
                            CAST("t13"."number" AS Nullable(String))
                          )
                        )
                      )
                    ),
                    1,
                    15
                  )
                )
              )
            )
          ) AS "k"
        FROM (
          SELECT
            "t9"."country" AS "country",
            "t9"."number" AS "number",
            "t9"."city" AS "city",
            "t9"."kind" AS "kind",
            "t9"."spent" AS "spent",
            "t9"."born" AS "born",
            "t9"."active" AS "active",
            "t12"."value" AS "label_0"
          FROM (
            SELECT
              *
            FROM "people" AS "t1"
            WHERE
              "t1"."active"
              AND "t1"."born" >= CAST('1945-01-01' AS Nullable(Date32))
              AND "t1"."born" <= CAST('2010-12-31' AS Nullable(Date32))
              AND NOT (
                (
                  (
                    "t1"."kind" = 'b'
                  )
                  AND (
                    "t1"."spent" > CAST('800.00' AS Nullable(Decimal(9, 2)))
                  )
                )
                OR (
                  (
                    "t1"."city" = 3
                  ) OR (
                    "t1"."city" = 4
                  )
                )
              )
          ) AS "t9"
          LEFT OUTER JOIN (
            SELECT DISTINCT
              *
            FROM (
              SELECT
                "t5"."id" AS "key_0",
                "t7"."value" AS "value"
              FROM "cities" AS "t5"
              LEFT OUTER JOIN (
                SELECT DISTINCT
                  "t3"."code" AS "key_0",
                  "t3"."name" AS "value"
                FROM "regions" AS "t3"
                WHERE
                  isNotNull("t3"."code")
              ) AS "t7"
                ON "t5"."region" = "t7"."key_0"
            ) AS "t10"
            WHERE
              isNotNull("t10"."key_0")
          ) AS "t12"
            ON "t9"."city" = "t12"."key_0"
        ) AS "t13"
      ) AS "t14"
    ) AS "t15"
  ) AS "t16"
  WHERE
    "t16"."u" < CASE
      WHEN "t16"."label_0" = 'Region 0'
      THEN 429496729
      WHEN "t16"."label_0" = 'Region 1'
      THEN 429496729
      WHEN "t16"."label_0" = 'Region 2'
      THEN 429496729
      WHEN isNull("t16"."label_0")
      THEN 429496729
      ELSE 0
    END
) AS "t18"
  ON "t4"."country" = "t18"."key_0" AND "t4"."number" = "t18"."key_1"
SETTINGS join_use_nulls = 1;

-- the rows of the sample: notes
SELECT
  "t9"."id" AS "id",
  "t9"."about" AS "about",
  "t9"."about_kind" AS "about_kind"
FROM (
  SELECT
    *
  FROM "notes" AS "t0"
  WHERE
    "t0"."about_kind" = 'visit'
) AS "t9"
LEFT SEMI JOIN (
  SELECT
    "t5"."id" AS "key_0"
  FROM "visits" AS "t5"
  LEFT SEMI JOIN (
    SELECT
      "t19"."country" AS "key_0",
      "t19"."number" AS "key_1"
    FROM (
      SELECT
        "t18"."country" AS "country",
        "t18"."number" AS "number",
        "t18"."city" AS "city",
        "t18"."kind" AS "kind",
        "t18"."spent" AS "spent",
        "t18"."born" AS "born",
        "t18"."active" AS "active",
        "t18"."label_0" AS "label_0",
        "t18"."k" AS "k",
        "t18"."x" AS "x",
        (
          (
            (
              (
                (
                  (
                    (
                      (
                        "t18"."x" * 1432120298
                      ) + 119592875
                    ) % 2147483647
                  ) * "t18"."x"
                ) + 2005623711
              ) % 2147483647
            ) * "t18"."x"
          ) + 1302416452
        ) % 2147483647 AS "u"
      FROM (
        SELECT
          "t17"."country" AS "country",
          "t17"."number" AS "number",
          "t17"."city" AS "city",
          "t17"."kind" AS "kind",
          "t17"."spent" AS "spent",
          "t17"."born" AS "born",
          "t17"."active" AS "active",
          "t17"."label_0" AS "label_0",
          "t17"."k" AS "k",
          (
            bitAnd("t17"."k", 2147483647) + (
              (
                bitAnd(
                  bitShiftRight(CAST("t17"."k" AS Nullable(Int64)), CAST(31 AS Nullable(Int64))),
                  2147483647
                ) * 768400634
              ) % 2147483647
            ) + (
              (
                bitAnd(bitShiftRight(CAST("t17"."k" AS Nullable(Int64)), CAST(62 AS Nullable(Int64))), 3) * 111147298
              ) % 2147483647
            )
          ) % 2147483647 AS "x"
        FROM (
          SELECT
            "t16"."country" AS "country",
            "t16"."number" AS "number",
            "t16"."city" AS "city",
            "t16"."kind" AS "kind",
            "t16"."spent" AS "spent",
            "t16"."born" AS "born",
            "t16"."active" AS "active",
            "t16"."label_0" AS "label_0",
            reinterpretAsInt64(
              reverse(
                unhex(
                  CONCAT(
                    '0',
                    SUBSTRING(
                      HEX(
                        SHA256(
                          CONCAT(
                            CONCAT(
                              CONCAT(CAST(lengthUTF8("t16"."country") AS Nullable(String)), ':'),
                              "t16"."country"
                            ),
                            CONCAT(
                              CONCAT(
                                CAST(lengthUTF8(CAST("t16"."number" AS Nullable(String))) AS Nullable(String)),
                                ':'
                              ),
                              CAST("t16"."number" AS Nullable(String))
                            )
                          )
                        )
                      ),
                      1,
                      15
                    )
                  )
                )
              )
            ) AS "k"
          FROM (
            SELECT
              "t12"."country" AS "country",
              "t12"."number" AS "number",
              "t12"."city" AS "city",
              "t12"."kind" AS "kind",
              "t12"."spent" AS "spent",
              "t12"."born" AS "born",
              "t12"."active" AS "active",
              "t15"."value" AS "label_0"
            FROM (
              SELECT
                *
              FROM "people" AS "t2"
              WHERE
                "t2"."active"
                AND "t2"."born" >= CAST('1945-01-01' AS Nullable(Date32))
                AND "t2"."born" <= CAST('2010-12-31' AS Nullable(Date32))
                AND NOT (
                  (
                    (
                      "t2"."kind" = 'b'
                    )
                    AND (
                      "t2"."spent" > CAST('800.00' AS Nullable(Decimal(9, 2)))
                    )
                  )
                  OR (
                    (
                      "t2"."city" = 3
                    ) OR (
                      "t2"."city" = 4
                    )
                  )
                )
            ) AS "t12"
            LEFT OUTER JOIN (
              SELECT DISTINCT
                *
              FROM (
                SELECT
                  "t6"."id" AS "key_0",
                  "t10"."value" AS "value"
                FROM "cities" AS "t6"
                LEFT OUTER JOIN (
                  SELECT DISTINCT
                    "t4"."code" AS "key_0",
                    "t4"."name" AS "value"
                  FROM "regions" AS "t4"
                  WHERE
                    isNotNull("t4"."code")
                ) AS "t10"
                  ON "t6"."region" = "t10"."key_0"
              ) AS "t13"
              WHERE
                isNotNull("t13"."key_0")
            ) AS "t15"
              ON "t12"."city" = "t15"."key_0"
          ) AS "t16"
        ) AS "t17"
      ) AS "t18"
    ) AS "t19"
    WHERE
      "t19"."u" < CASE
        WHEN "t19"."label_0" = 'Region 0'
        THEN 429496729
        WHEN "t19"."label_0" = 'Region 1'
        THEN 429496729
        WHEN "t19"."label_0" = 'Region 2'
        THEN 429496729
        WHEN isNull("t19"."label_0")
        THEN 429496729
        ELSE 0
      END
  ) AS "t21"
    ON "t5"."country" = "t21"."key_0" AND "t5"."number" = "t21"."key_1"
) AS "t23"
  ON "t9"."about" = "t23"."key_0"
SETTINGS join_use_nulls = 1;

-- the rows of the sample: cities
WITH "t22" AS (
  SELECT
    "t21"."id" AS "id",
    "t21"."owner_country" AS "owner_country",
    "t21"."owner_number" AS "owner_number",
    "t21"."class" AS "class"
  FROM (
    SELECT
      "t17"."id" AS "id",
      "t17"."owner_country" AS "owner_country",
      "t17"."owner_number" AS "owner_number",
      "t17"."class" AS "class",
      "t17"."label_0" AS "label_0",
      "t17"."k" AS "k",
      "t17"."x" AS "x",
      (
        (
          (
            (
              (
                (
                  (
                    (
                      "t17"."x" * 233927391
                    ) + 1529773703
                  ) % 2147483647
                ) * "t17"."x"
              ) + 643087831
            ) % 2147483647
          ) * "t17"."x"
        ) + 1243470796
      ) % 2147483647 AS "u"
    FROM (
      SELECT
        "t4"."id" AS "id",
        "t4"."owner_country" AS "owner_country",
        "t4"."owner_number" AS "owner_number",
        "t4"."class" AS "class",
        CASE
          WHEN isNotNull("t4"."class")
          THEN CASE WHEN "t4"."class" >= CAST('2' AS Nullable(Int64)) THEN 1 ELSE 0 END
          ELSE CAST(NULL AS Nullable(Int32))
        END AS "label_0",
        "t4"."id" AS "k",
        (
          bitAnd("t4"."id", 2147483647) + (
            (
              bitAnd(
                bitShiftRight(CAST("t4"."id" AS Nullable(Int64)), CAST(31 AS Nullable(Int64))),
                2147483647
              ) * 1003948111
            ) % 2147483647
          ) + (
            (
              bitAnd(bitShiftRight(CAST("t4"."id" AS Nullable(Int64)), CAST(62 AS Nullable(Int64))), 3) * 1587976840
            ) % 2147483647
          )
        ) % 2147483647 AS "x"
      FROM "shops" AS "t4"
    ) AS "t17"
  ) AS "t21"
  WHERE
    "t21"."u" < CASE
      WHEN "t21"."label_0" = 0
      THEN 644245094
      WHEN "t21"."label_0" = 1
      THEN 644245094
      ELSE 0
    END
), "t27" AS (
  SELECT
    "t26"."country" AS "country",
    "t26"."number" AS "number",
    "t26"."city" AS "city",
    "t26"."kind" AS "kind",
    "t26"."spent" AS "spent",
    "t26"."born" AS "born",
    "t26"."active" AS "active",
    "t26"."label_0" AS "label_0",
    "t26"."k" AS "k",
    "t26"."x" AS "x",
    (
      (
        (
          (
            (
              (
                (
                  (
                    "t26"."x" * 1432120298
                  ) + 119592875
                ) % 2147483647
              ) * "t26"."x"
            ) + 2005623711
          ) % 2147483647
        ) * "t26"."x"
      ) + 1302416452
    ) % 2147483647 AS "u"
  FROM (
    SELECT
      "t23"."country" AS "country",
      "t23"."number" AS "number",
      "t23"."city" AS "city",
      "t23"."kind" AS "kind",
      "t23"."spent" AS "spent",
      "t23"."born" AS "born",
      "t23"."active" AS "active",
      "t23"."label_0" AS "label_0",
      "t23"."k" AS "k",
      (
        bitAnd("t23"."k", 2147483647) + (
          (
            bitAnd(
              bitShiftRight(CAST("t23"."k" AS Nullable(Int64)), CAST(31 AS Nullable(Int64))),
              2147483647
            ) * 768400634
          ) % 2147483647
        ) + (
          (
            bitAnd(bitShiftRight(CAST("t23"."k" AS Nullable(Int64)), CAST(62 AS Nullable(Int64))), 3) * 111147298
          ) % 2147483647
        )
      ) % 2147483647 AS "x"
    FROM (
      SELECT
        "t20"."country" AS "country",
        "t20"."number" AS "number",
        "t20"."city" AS "city",
        "t20"."kind" AS "kind",
        "t20"."spent" AS "spent",
        "t20"."born" AS "born",
        "t20"."active" AS "active",
        "t20"."label_0" AS "label_0",
        reinterpretAsInt64(
          reverse(
            unhex(
              CONCAT(
                '0',
                SUBSTRING(
                  HEX(
                    SHA256(
                      CONCAT(
                        CONCAT(
                          CONCAT(CAST(lengthUTF8("t20"."country") AS Nullable(String)), ':'),
                          "t20"."country"
                        ),
                        CONCAT(
                          CONCAT(
                            CAST(lengthUTF8(CAST("t20"."number" AS Nullable(String))) AS Nullable(String)),
                            ':'
                          ),
                          CAST("t20"."number" AS Nullable(String))
                        )
                      )
                    )
                  ),
                  1,
                  15
                )
              )
            )
          )
        ) AS "k"
      FROM (
        SELECT
          "t15"."country" AS "country",
          "t15"."number" AS "number",
          "t15"."city" AS "city",
          "t15"."kind" AS "kind",
          "t15"."spent" AS "spent",
          "t15"."born" AS "born",
          "t15"."active" AS "active",
          "t19"."value" AS "label_0"
        FROM (
          SELECT
            *
          FROM "people" AS "t3"
          WHERE
            "t3"."active"
            AND "t3"."born" >= CAST('1945-01-01' AS Nullable(Date32))
            AND "t3"."born" <= CAST('2010-12-31' AS Nullable(Date32))
            AND NOT (
              (
                (
                  "t3"."kind" = 'b'
                )
                AND (
                  "t3"."spent" > CAST('800.00' AS Nullable(Decimal(9, 2)))
                )
              )
              OR (
                (
                  "t3"."city" = 3
                ) OR (
                  "t3"."city" = 4
                )
              )
            )
        ) AS "t15"
        LEFT OUTER JOIN (
          SELECT DISTINCT
            *
          FROM (
            SELECT
              "t6"."id" AS "key_0",
              "t13"."value" AS "value"
            FROM "cities" AS "t6"
            LEFT OUTER JOIN (
              SELECT DISTINCT
                "t5"."code" AS "key_0",
                "t5"."name" AS "value"
              FROM "regions" AS "t5"
              WHERE
                isNotNull("t5"."code")
            ) AS "t13"
              ON "t6"."region" = "t13"."key_0"
          ) AS "t16"
          WHERE
            isNotNull("t16"."key_0")
        ) AS "t19"
          ON "t15"."city" = "t19"."key_0"
      ) AS "t20"
    ) AS "t23"
  ) AS "t26"
), "t30" AS (
  SELECT
    "t28"."country" AS "country",
    "t28"."number" AS "number",
    "t28"."city" AS "city",
    "t28"."kind" AS "kind",
    "t28"."spent" AS "spent",
    "t28"."born" AS "born",
    "t28"."active" AS "active"
  FROM "t27" AS "t28"
  WHERE
    "t28"."u" < CASE
      WHEN "t28"."label_0" = 'Region 0'
      THEN 429496729
      WHEN "t28"."label_0" = 'Region 1'
      THEN 429496729
      WHEN "t28"."label_0" = 'Region 2'
      THEN 429496729
      WHEN isNull("t28"."label_0")
      THEN 429496729
      ELSE 0
    END
), "t51" AS (
  SELECT
    "t6"."id" AS "id",
    "t6"."region" AS "region",
    "t6"."size" AS "size"
  FROM "cities" AS "t6"
  LEFT SEMI JOIN (
    SELECT
      "t48"."city" AS "key_0"
    FROM (
      SELECT
        *
      FROM "t30" AS "t32"
      UNION ALL
      SELECT
        *
      FROM (
        SELECT
          "t8"."country" AS "country",
          "t8"."number" AS "number",
          "t8"."city" AS "city",
          "t8"."kind" AS "kind",
          "t8"."spent" AS "spent",
          "t8"."born" AS "born",
          "t8"."active" AS "active"
        FROM "people" AS "t8"
        LEFT SEMI JOIN (
          SELECT
            "t44"."key_0" AS "key_0",
            "t44"."key_1" AS "key_1"
          FROM (
            SELECT
              "t40"."owner_country" AS "key_0",
              "t40"."owner_number" AS "key_1"
            FROM (
              SELECT
                *
              FROM "t22" AS "t24"
              UNION ALL
              SELECT
                *
              FROM (
                SELECT
                  "t9"."id" AS "id",
                  "t9"."owner_country" AS "owner_country",
                  "t9"."owner_number" AS "owner_number",
                  "t9"."class" AS "class"
                FROM "shops" AS "t9"
                LEFT SEMI JOIN (
                  SELECT
                    "t7"."shop" AS "key_0"
                  FROM "visits" AS "t7"
                  LEFT SEMI JOIN (
                    SELECT
                      "t28"."country" AS "key_0",
                      "t28"."number" AS "key_1"
                    FROM "t27" AS "t28"
                    WHERE
                      "t28"."u" < CASE
                        WHEN "t28"."label_0" = 'Region 0'
                        THEN 429496729
                        WHEN "t28"."label_0" = 'Region 1'
                        THEN 429496729
                        WHEN "t28"."label_0" = 'Region 2'
                        THEN 429496729
                        WHEN isNull("t28"."label_0")
                        THEN 429496729
                        ELSE 0
                      END
                  ) AS "t31"
                    ON "t7"."country" = "t31"."key_0" AND "t7"."number" = "t31"."key_1"
                  LEFT ANTI JOIN "t22" AS "t25"
                    ON "t7"."shop" = "t25"."id"
                ) AS "t37"
                  ON "t37"."key_0" = "t9"."id"
              ) AS "t39"
            ) AS "t40"
          ) AS "t44"
          LEFT ANTI JOIN "t30" AS "t33"
            ON "t44"."key_0" = "t33"."country" AND "t44"."key_1" = "t33"."number"
        ) AS "t46"
          ON "t46"."key_0" = "t8"."country" AND "t46"."key_1" = "t8"."number"
      ) AS "t47"
    ) AS "t48"
  ) AS "t50"
    ON "t50"."key_0" = "t6"."id"
), "t57" AS (
  SELECT
    *
  FROM "t51" AS "t52"
  UNION ALL
  SELECT
    *
  FROM (
    SELECT
      "t6"."id" AS "id",
      "t6"."region" AS "region",
      "t6"."size" AS "size"
    FROM "cities" AS "t6"
    LEFT SEMI JOIN (
      SELECT
        "t7"."place" AS "key_0"
      FROM "visits" AS "t7"
      LEFT SEMI JOIN (
        SELECT
          "t28"."country" AS "key_0",
          "t28"."number" AS "key_1"
        FROM "t27" AS "t28"
        WHERE
          "t28"."u" < CASE
            WHEN "t28"."label_0" = 'Region 0'
            THEN 429496729
            WHEN "t28"."label_0" = 'Region 1'
            THEN 429496729
            WHEN "t28"."label_0" = 'Region 2'
            THEN 429496729
            WHEN isNull("t28"."label_0")
            THEN 429496729
            ELSE 0
          END
      ) AS "t31"
        ON "t7"."country" = "t31"."key_0" AND "t7"."number" = "t31"."key_1"
      LEFT ANTI JOIN "t51" AS "t53"
        ON "t7"."place" = CAST("t53"."id" AS Nullable(String))
    ) AS "t55"
      ON "t55"."key_0" = CAST("t6"."id" AS Nullable(String))
  ) AS "t56"
)
SELECT
  *
FROM "t57" AS "t58"
UNION ALL
SELECT
  *
FROM (
  SELECT
    "t6"."id" AS "id",
    "t6"."region" AS "region",
    "t6"."size" AS "size"
  FROM "cities" AS "t6"
  LEFT SEMI JOIN (
    SELECT
      "t43"."key_0" AS "key_0"
    FROM (
      SELECT
        "t38"."about" AS "key_0"
      FROM (
        SELECT
          "t12"."id" AS "id",
          "t12"."about" AS "about",
          "t12"."about_kind" AS "about_kind"
        FROM (
          SELECT
            *
          FROM "notes" AS "t2"
          WHERE
            "t2"."about_kind" = 'visit'
        ) AS "t12"
        LEFT SEMI JOIN (
          SELECT
            "t7"."id" AS "key_0"
          FROM "visits" AS "t7"
          LEFT SEMI JOIN (
            SELECT
              "t28"."country" AS "key_0",
              "t28"."number" AS "key_1"
            FROM "t27" AS "t28"
            WHERE
              "t28"."u" < CASE
                WHEN "t28"."label_0" = 'Region 0'
                THEN 429496729
                WHEN "t28"."label_0" = 'Region 1'
                THEN 429496729
                WHEN "t28"."label_0" = 'Region 2'
                THEN 429496729
                WHEN isNull("t28"."label_0")
                THEN 429496729
                ELSE 0
              END
          ) AS "t31"
            ON "t7"."country" = "t31"."key_0" AND "t7"."number" = "t31"."key_1"
        ) AS "t36"
          ON "t12"."about" = "t36"."key_0"
      ) AS "t38"
      WHERE
        "t38"."about_kind" = 'city'
    ) AS "t43"
    LEFT ANTI JOIN "t57" AS "t59"
      ON "t43"."key_0" = "t59"."id"
  ) AS "t61"
    ON "t61"."key_0" = "t6"."id"
) AS "t62"
SETTINGS join_use_nulls = 1;

-- the rows of the sample: regions
SELECT
  *
FROM "regions"
SETTINGS join_use_nulls = 1;

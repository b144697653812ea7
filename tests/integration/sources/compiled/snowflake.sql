-- The sample 2ebe2b9e43a5 as SQL for snowflake; compiled, not run: no test carries it out there.
-- It draws the rows that sandbox sample draws, where the tables hold the same values.
-- Thresholds and bins are those of the source when it was counted just now.
-- Names are quoted as they stand in the source; what was made there without quotes has them in capitals.

-- the units of each stratum: people
SELECT
  *
FROM (
  SELECT
    "t12"."regions_name",
    COUNT(*) AS "population"
  FROM (
    SELECT
      "t11"."label_0" AS "regions_name",
      "t11"."country" AS "key_0",
      "t11"."number" AS "key_1"
    FROM (
      SELECT
        "t7"."country",
        "t7"."number",
        "t7"."city",
        "t7"."kind",
        "t7"."spent",
        "t7"."born",
        "t7"."active",
        "t10"."value" AS "label_0"
      FROM (
        SELECT
          *
        FROM "people" AS "t0"
        WHERE
          "t0"."active"
          AND "t0"."born" >= CAST('1945-01-01' AS DATE)
          AND "t0"."born" <= CAST('2010-12-31' AS DATE)
          AND NOT (
            (
              (
                "t0"."kind" = 'b'
              ) AND (
                "t0"."spent" > CAST('800.00' AS DECIMAL(9, 2))
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
            "t5"."value"
          FROM "cities" AS "t3"
          LEFT OUTER JOIN (
            SELECT DISTINCT
              "t2"."code" AS "key_0",
              "t2"."name" AS "value"
            FROM "regions" AS "t2"
            WHERE
              NOT "t2"."code" IS NULL
          ) AS "t5"
            ON "t3"."region" = "t5"."key_0"
        ) AS "t8"
        WHERE
          NOT "t8"."key_0" IS NULL
      ) AS "t10"
        ON "t7"."city" = "t10"."key_0"
    ) AS "t11"
    WHERE
      NOT "t11"."country" IS NULL AND NOT "t11"."number" IS NULL
  ) AS "t12"
  GROUP BY
    1
) AS "t13"
ORDER BY
  "t13"."regions_name" ASC;

-- the units of each stratum: shops
SELECT
  *
FROM (
  SELECT
    "t1"."class",
    COUNT(*) AS "population"
  FROM (
    SELECT
      IFF(
        NOT "t0"."class" IS NULL,
        IFF("t0"."class" >= CAST('2' AS BIGINT), 1, 0),
        CAST(NULL AS INT)
      ) AS "class",
      "t0"."id" AS "key_0"
    FROM "shops" AS "t0"
    WHERE
      NOT "t0"."id" IS NULL
  ) AS "t1"
  GROUP BY
    1
) AS "t2"
ORDER BY
  "t2"."class" ASC;

-- the units of each stratum: devices
SELECT
  *
FROM (
  SELECT
    "t1"."seen",
    "t1"."seen_is_rare",
    COUNT(*) AS "population"
  FROM (
    SELECT DISTINCT
      IFF(NOT "t0"."seen" IS NULL, CAST(NULL AS BIGINT), "t0"."seen") AS "seen",
      IFF(NOT "t0"."seen" IS NULL, 1, 0) AS "seen_is_rare",
      "t0"."token" AS "key_0"
    FROM "devices" AS "t0"
    WHERE
      NOT "t0"."token" IS NULL
  ) AS "t1"
  GROUP BY
    1,
    2
) AS "t2"
ORDER BY
  "t2"."seen" ASC,
  "t2"."seen_is_rare" ASC;

-- the rows of the sample: people
WITH "t19" AS (
  SELECT
    "t18"."id",
    "t18"."owner_country",
    "t18"."owner_number",
    "t18"."class"
  FROM (
    SELECT
      "t14"."id",
      "t14"."owner_country",
      "t14"."owner_number",
      "t14"."class",
      "t14"."label_0",
      "t14"."k",
      "t14"."x",
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
        "t1"."id",
        "t1"."owner_country",
        "t1"."owner_number",
        "t1"."class",
        IFF(
          NOT "t1"."class" IS NULL,
          IFF("t1"."class" >= CAST('2' AS BIGINT), 1, 0),
          CAST(NULL AS INT)
        ) AS "label_0",
        "t1"."id" AS "k",
        (
          (
            BITAND("t1"."id", 2147483647)
          ) + (
            (
              (
                BITAND(BITSHIFTRIGHT("t1"."id", 31), 2147483647)
              ) * 1003948111
            ) % 2147483647
          ) + (
            (
              (
                BITAND(BITSHIFTRIGHT("t1"."id", 62), 3)
              ) * 1587976840
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
    "t23"."country",
    "t23"."number",
    "t23"."city",
    "t23"."kind",
    "t23"."spent",
    "t23"."born",
    "t23"."active",
    "t23"."label_0",
    "t23"."k",
    "t23"."x",
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
      "t20"."country",
      "t20"."number",
      "t20"."city",
      "t20"."kind",
      "t20"."spent",
      "t20"."born",
      "t20"."active",
      "t20"."label_0",
      "t20"."k",
      (
        (
          BITAND("t20"."k", 2147483647)
        ) + (
          (
            (
              BITAND(BITSHIFTRIGHT("t20"."k", 31), 2147483647)
            ) * 768400634
          ) % 2147483647
        ) + (
          (
            (
              BITAND(BITSHIFTRIGHT("t20"."k", 62), 3)
            ) * 111147298
          ) % 2147483647
        )
      ) % 2147483647 AS "x"
    FROM (
      SELECT
        "t17"."country",
        "t17"."number",
        "t17"."city",
        "t17"."kind",
        "t17"."spent",
        "t17"."born",
        "t17"."active",
        "t17"."label_0",
        TO_NUMBER(
          SUBSTRING(
            SHA2(
              CONCAT(
                CONCAT(CONCAT(CAST(LENGTH("t17"."country") AS VARCHAR), ':'), "t17"."country"),
                CONCAT(
                  CONCAT(CAST(LENGTH(CAST("t17"."number" AS VARCHAR)) AS VARCHAR), ':'),
                  CAST("t17"."number" AS VARCHAR)
                )
              ),
              256
            ),
            1,
            15
          ),
          'XXXXXXXXXXXXXXX'
        ) AS "k"
      FROM (
        SELECT
          "t12"."country",
          "t12"."number",
          "t12"."city",
          "t12"."kind",
          "t12"."spent",
          "t12"."born",
          "t12"."active",
          "t16"."value" AS "label_0"
        FROM (
          SELECT
            *
          FROM "people" AS "t0"
          WHERE
            "t0"."active"
            AND "t0"."born" >= CAST('1945-01-01' AS DATE)
            AND "t0"."born" <= CAST('2010-12-31' AS DATE)
            AND NOT (
              (
                (
                  "t0"."kind" = 'b'
                ) AND (
                  "t0"."spent" > CAST('800.00' AS DECIMAL(9, 2))
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
              "t10"."value"
            FROM "cities" AS "t7"
            LEFT OUTER JOIN (
              SELECT DISTINCT
                "t4"."code" AS "key_0",
                "t4"."name" AS "value"
              FROM "regions" AS "t4"
              WHERE
                NOT "t4"."code" IS NULL
            ) AS "t10"
              ON "t7"."region" = "t10"."key_0"
          ) AS "t13"
          WHERE
            NOT "t13"."key_0" IS NULL
        ) AS "t16"
          ON "t12"."city" = "t16"."key_0"
      ) AS "t17"
    ) AS "t20"
  ) AS "t23"
), "t26" AS (
  SELECT
    "t25"."country",
    "t25"."number",
    "t25"."city",
    "t25"."kind",
    "t25"."spent",
    "t25"."born",
    "t25"."active"
  FROM "t24" AS "t25"
  WHERE
    "t25"."u" < CASE
      WHEN "t25"."label_0" = 'Region 0'
      THEN 429496729
      WHEN "t25"."label_0" = 'Region 1'
      THEN 429496729
      WHEN "t25"."label_0" = 'Region 2'
      THEN 429496729
      WHEN "t25"."label_0" IS NULL
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
    "t5"."country",
    "t5"."number",
    "t5"."city",
    "t5"."kind",
    "t5"."spent",
    "t5"."born",
    "t5"."active"
  FROM "people" AS "t5"
  WHERE
    EXISTS(
      SELECT
        1
      FROM (
        SELECT
          "t36"."key_0",
          "t36"."key_1"
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
                "t6"."id",
                "t6"."owner_country",
                "t6"."owner_number",
                "t6"."class"
              FROM "shops" AS "t6"
              WHERE
                EXISTS(
                  SELECT
                    1
                  FROM (
                    SELECT
                      "t8"."shop" AS "key_0"
                    FROM "visits" AS "t8"
                    WHERE
                      EXISTS(
                        SELECT
                          1
                        FROM (
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
                              WHEN "t25"."label_0" IS NULL
                              THEN 429496729
                              ELSE 0
                            END
                        ) AS "t29"
                        WHERE
                          "t8"."country" = "t29"."key_0" AND "t8"."number" = "t29"."key_1"
                      )
                      AND NOT EXISTS(
                        SELECT
                          1
                        FROM "t19" AS "t22"
                        WHERE
                          "t8"."shop" = "t22"."id"
                      )
                  ) AS "t32"
                  WHERE
                    "t32"."key_0" = "t6"."id"
                )
            ) AS "t33"
          ) AS "t34"
        ) AS "t36"
        WHERE
          NOT EXISTS(
            SELECT
              1
            FROM "t26" AS "t30"
            WHERE
              "t36"."key_0" = "t30"."country" AND "t36"."key_1" = "t30"."number"
          )
      ) AS "t38"
      WHERE
        "t38"."key_0" = "t5"."country" AND "t38"."key_1" = "t5"."number"
    )
) AS "t39";

-- the rows of the sample: shops
WITH "t18" AS (
  SELECT
    "t17"."id",
    "t17"."owner_country",
    "t17"."owner_number",
    "t17"."class"
  FROM (
    SELECT
      "t13"."id",
      "t13"."owner_country",
      "t13"."owner_number",
      "t13"."class",
      "t13"."label_0",
      "t13"."k",
      "t13"."x",
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
        "t0"."id",
        "t0"."owner_country",
        "t0"."owner_number",
        "t0"."class",
        IFF(
          NOT "t0"."class" IS NULL,
          IFF("t0"."class" >= CAST('2' AS BIGINT), 1, 0),
          CAST(NULL AS INT)
        ) AS "label_0",
        "t0"."id" AS "k",
        (
          (
            BITAND("t0"."id", 2147483647)
          ) + (
            (
              (
                BITAND(BITSHIFTRIGHT("t0"."id", 31), 2147483647)
              ) * 1003948111
            ) % 2147483647
          ) + (
            (
              (
                BITAND(BITSHIFTRIGHT("t0"."id", 62), 3)
              ) * 1587976840
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
    "t5"."id",
    "t5"."owner_country",
    "t5"."owner_number",
    "t5"."class"
  FROM "shops" AS "t5"
  WHERE
    EXISTS(
      SELECT
        1
      FROM (
        SELECT
          "t6"."shop" AS "key_0"
        FROM "visits" AS "t6"
        WHERE
          EXISTS(
            SELECT
              1
            FROM (
              SELECT
                "t23"."country" AS "key_0",
                "t23"."number" AS "key_1"
              FROM (
                SELECT
                  "t22"."country",
                  "t22"."number",
                  "t22"."city",
                  "t22"."kind",
                  "t22"."spent",
                  "t22"."born",
                  "t22"."active",
                  "t22"."label_0",
                  "t22"."k",
                  "t22"."x",
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
                    "t19"."country",
                    "t19"."number",
                    "t19"."city",
                    "t19"."kind",
                    "t19"."spent",
                    "t19"."born",
                    "t19"."active",
                    "t19"."label_0",
                    "t19"."k",
                    (
                      (
                        BITAND("t19"."k", 2147483647)
                      ) + (
                        (
                          (
                            BITAND(BITSHIFTRIGHT("t19"."k", 31), 2147483647)
                          ) * 768400634
                        ) % 2147483647
                      ) + (
                        (
                          (
                            BITAND(BITSHIFTRIGHT("t19"."k", 62), 3)
                          ) * 111147298
                        ) % 2147483647
                      )
                    ) % 2147483647 AS "x"
                  FROM (
                    SELECT
                      "t16"."country",
                      "t16"."number",
                      "t16"."city",
                      "t16"."kind",
                      "t16"."spent",
                      "t16"."born",
                      "t16"."active",
                      "t16"."label_0",
                      TO_NUMBER(
                        SUBSTRING(
                          SHA2(
                            CONCAT(
                              CONCAT(CONCAT(CAST(LENGTH("t16"."country") AS VARCHAR), ':'), "t16"."country"),
                              CONCAT(
                                CONCAT(CAST(LENGTH(CAST("t16"."number" AS VARCHAR)) AS VARCHAR), ':'),
                                CAST("t16"."number" AS VARCHAR)
                              )
                            ),
                            256
                          ),
                          1,
                          15
                        ),
                        'XXXXXXXXXXXXXXX'
                      ) AS "k"
                    FROM (
                      SELECT
                        "t11"."country",
                        "t11"."number",
                        "t11"."city",
                        "t11"."kind",
                        "t11"."spent",
                        "t11"."born",
                        "t11"."active",
                        "t15"."value" AS "label_0"
                      FROM (
                        SELECT
                          *
                        FROM "people" AS "t2"
                        WHERE
                          "t2"."active"
                          AND "t2"."born" >= CAST('1945-01-01' AS DATE)
                          AND "t2"."born" <= CAST('2010-12-31' AS DATE)
                          AND NOT (
                            (
                              (
                                "t2"."kind" = 'b'
                              ) AND (
                                "t2"."spent" > CAST('800.00' AS DECIMAL(9, 2))
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
                            "t9"."value"
                          FROM "cities" AS "t7"
                          LEFT OUTER JOIN (
                            SELECT DISTINCT
                              "t4"."code" AS "key_0",
                              "t4"."name" AS "value"
                            FROM "regions" AS "t4"
                            WHERE
                              NOT "t4"."code" IS NULL
                          ) AS "t9"
                            ON "t7"."region" = "t9"."key_0"
                        ) AS "t12"
                        WHERE
                          NOT "t12"."key_0" IS NULL
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
                  WHEN "t23"."label_0" IS NULL
                  THEN 429496729
                  ELSE 0
                END
            ) AS "t25"
            WHERE
              "t6"."country" = "t25"."key_0" AND "t6"."number" = "t25"."key_1"
          )
          AND NOT EXISTS(
            SELECT
              1
            FROM "t18" AS "t21"
            WHERE
              "t6"."shop" = "t21"."id"
          )
      ) AS "t27"
      WHERE
        "t27"."key_0" = "t5"."id"
    )
) AS "t28";

-- the rows of the sample: devices
SELECT
  "t4"."token",
  "t4"."seen",
  "t4"."day"
FROM (
  SELECT
    "t3"."token",
    "t3"."seen",
    "t3"."day",
    "t3"."label_0",
    "t3"."k",
    "t3"."x",
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
      "t2"."token",
      "t2"."seen",
      "t2"."day",
      "t2"."label_0",
      "t2"."k",
      (
        (
          BITAND("t2"."k", 2147483647)
        ) + (
          (
            (
              BITAND(BITSHIFTRIGHT("t2"."k", 31), 2147483647)
            ) * 1690167661
          ) % 2147483647
        ) + (
          (
            (
              BITAND(BITSHIFTRIGHT("t2"."k", 62), 3)
            ) * 614014901
          ) % 2147483647
        )
      ) % 2147483647 AS "x"
    FROM (
      SELECT
        "t1"."token",
        "t1"."seen",
        "t1"."day",
        "t1"."label_0",
        TO_NUMBER(
          SUBSTRING(SHA2(LOWER(CAST("t1"."token" AS VARCHAR)), 256), 1, 15),
          'XXXXXXXXXXXXXXX'
        ) AS "k"
      FROM (
        SELECT
          "t0"."token",
          "t0"."seen",
          "t0"."day",
          "t0"."seen" AS "label_0"
        FROM "devices" AS "t0"
      ) AS "t1"
    ) AS "t2"
  ) AS "t3"
) AS "t4"
WHERE
  "t4"."u" < CASE WHEN NOT "t4"."label_0" IS NULL THEN 536870912 ELSE 0 END;

-- the rows of the sample: visits
SELECT
  "t4"."id",
  "t4"."country",
  "t4"."number",
  "t4"."place",
  "t4"."shop"
FROM "visits" AS "t4"
WHERE
  EXISTS(
    SELECT
      1
    FROM (
      SELECT
        "t16"."country" AS "key_0",
        "t16"."number" AS "key_1"
      FROM (
        SELECT
          "t15"."country",
          "t15"."number",
          "t15"."city",
          "t15"."kind",
          "t15"."spent",
          "t15"."born",
          "t15"."active",
          "t15"."label_0",
          "t15"."k",
          "t15"."x",
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
            "t14"."country",
            "t14"."number",
            "t14"."city",
            "t14"."kind",
            "t14"."spent",
            "t14"."born",
            "t14"."active",
            "t14"."label_0",
            "t14"."k",
            (
              (
                BITAND("t14"."k", 2147483647)
              ) + (
                (
                  (
                    BITAND(BITSHIFTRIGHT("t14"."k", 31), 2147483647)
                  ) * 768400634
                ) % 2147483647
              ) + (
                (
                  (
                    BITAND(BITSHIFTRIGHT("t14"."k", 62), 3)
                  ) * 111147298
                ) % 2147483647
              )
            ) % 2147483647 AS "x"
          FROM (
            SELECT
              "t13"."country",
              "t13"."number",
              "t13"."city",
              "t13"."kind",
              "t13"."spent",
              "t13"."born",
              "t13"."active",
              "t13"."label_0",
              TO_NUMBER(
                SUBSTRING(
                  SHA2(
                    CONCAT(
                      CONCAT(CONCAT(CAST(LENGTH("t13"."country") AS VARCHAR), ':'), "t13"."country"),
                      CONCAT(
                        CONCAT(CAST(LENGTH(CAST("t13"."number" AS VARCHAR)) AS VARCHAR), ':'),
                        CAST("t13"."number" AS VARCHAR)
                      )
                    ),
                    256
                  ),
                  1,
                  15
                ),
                'XXXXXXXXXXXXXXX'
              ) AS "k"
            FROM (
              SELECT
                "t9"."country",
                "t9"."number",
                "t9"."city",
                "t9"."kind",
                "t9"."spent",
                "t9"."born",
                "t9"."active",
                "t12"."value" AS "label_0"
              FROM (
                SELECT
                  *
                FROM "people" AS "t1"
                WHERE
                  "t1"."active"
                  AND "t1"."born" >= CAST('1945-01-01' AS DATE)
                  AND "t1"."born" <= CAST('2010-12-31' AS DATE)
                  AND NOT (
                    (
                      (
                        "t1"."kind" = 'b'
                      ) AND (
                        "t1"."spent" > CAST('800.00' AS DECIMAL(9, 2))
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
                    "t7"."value"
                  FROM "cities" AS "t5"
                  LEFT OUTER JOIN (
                    SELECT DISTINCT
                      "t3"."code" AS "key_0",
                      "t3"."name" AS "value"
                    FROM "regions" AS "t3"
                    WHERE
                      NOT "t3"."code" IS NULL
                  ) AS "t7"
                    ON "t5"."region" = "t7"."key_0"
                ) AS "t10"
                WHERE
                  NOT "t10"."key_0" IS NULL
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
          WHEN "t16"."label_0" IS NULL
          THEN 429496729
          ELSE 0
        END
    ) AS "t18"
    WHERE
      "t4"."country" = "t18"."key_0" AND "t4"."number" = "t18"."key_1"
  );

-- the rows of the sample: notes
SELECT
  "t9"."id",
  "t9"."about",
  "t9"."about_kind"
FROM (
  SELECT
    *
  FROM "notes" AS "t0"
  WHERE
    "t0"."about_kind" = 'visit'
) AS "t9"
WHERE
  EXISTS(
    SELECT
      1
    FROM (
      SELECT
        "t5"."id" AS "key_0"
      FROM "visits" AS "t5"
      WHERE
        EXISTS(
          SELECT
            1
          FROM (
            SELECT
              "t19"."country" AS "key_0",
              "t19"."number" AS "key_1"
            FROM (
              SELECT
                "t18"."country",
                "t18"."number",
                "t18"."city",
                "t18"."kind",
                "t18"."spent",
                "t18"."born",
                "t18"."active",
                "t18"."label_0",
                "t18"."k",
                "t18"."x",
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
                  "t17"."country",
                  "t17"."number",
                  "t17"."city",
                  "t17"."kind",
                  "t17"."spent",
                  "t17"."born",
                  "t17"."active",
                  "t17"."label_0",
                  "t17"."k",
                  (
                    (
                      BITAND("t17"."k", 2147483647)
                    ) + (
                      (
                        (
                          BITAND(BITSHIFTRIGHT("t17"."k", 31), 2147483647)
                        ) * 768400634
                      ) % 2147483647
                    ) + (
                      (
                        (
                          BITAND(BITSHIFTRIGHT("t17"."k", 62), 3)
                        ) * 111147298
                      ) % 2147483647
                    )
                  ) % 2147483647 AS "x"
                FROM (
                  SELECT
                    "t16"."country",
                    "t16"."number",
                    "t16"."city",
                    "t16"."kind",
                    "t16"."spent",
                    "t16"."born",
                    "t16"."active",
                    "t16"."label_0",
                    TO_NUMBER(
                      SUBSTRING(
                        SHA2(
                          CONCAT(
                            CONCAT(CONCAT(CAST(LENGTH("t16"."country") AS VARCHAR), ':'), "t16"."country"),
                            CONCAT(
                              CONCAT(CAST(LENGTH(CAST("t16"."number" AS VARCHAR)) AS VARCHAR), ':'),
                              CAST("t16"."number" AS VARCHAR)
                            )
                          ),
                          256
                        ),
                        1,
                        15
                      ),
                      'XXXXXXXXXXXXXXX'
                    ) AS "k"
                  FROM (
                    SELECT
                      "t12"."country",
                      "t12"."number",
                      "t12"."city",
                      "t12"."kind",
                      "t12"."spent",
                      "t12"."born",
                      "t12"."active",
                      "t15"."value" AS "label_0"
                    FROM (
                      SELECT
                        *
                      FROM "people" AS "t2"
                      WHERE
                        "t2"."active"
                        AND "t2"."born" >= CAST('1945-01-01' AS DATE)
                        AND "t2"."born" <= CAST('2010-12-31' AS DATE)
                        AND NOT (
                          (
                            (
                              "t2"."kind" = 'b'
                            ) AND (
                              "t2"."spent" > CAST('800.00' AS DECIMAL(9, 2))
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
                          "t10"."value"
                        FROM "cities" AS "t6"
                        LEFT OUTER JOIN (
                          SELECT DISTINCT
                            "t4"."code" AS "key_0",
                            "t4"."name" AS "value"
                          FROM "regions" AS "t4"
                          WHERE
                            NOT "t4"."code" IS NULL
                        ) AS "t10"
                          ON "t6"."region" = "t10"."key_0"
                      ) AS "t13"
                      WHERE
                        NOT "t13"."key_0" IS NULL
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
                WHEN "t19"."label_0" IS NULL
                THEN 429496729
                ELSE 0
              END
          ) AS "t21"
          WHERE
            "t5"."country" = "t21"."key_0" AND "t5"."number" = "t21"."key_1"
        )
    ) AS "t23"
    WHERE
      "t9"."about" = "t23"."key_0"
  );

-- the rows of the sample: cities
WITH "t22" AS (
  SELECT
    "t21"."id",
    "t21"."owner_country",
    "t21"."owner_number",
    "t21"."class"
  FROM (
    SELECT
      "t17"."id",
      "t17"."owner_country",
      "t17"."owner_number",
      "t17"."class",
      "t17"."label_0",
      "t17"."k",
      "t17"."x",
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
        "t4"."id",
        "t4"."owner_country",
        "t4"."owner_number",
        "t4"."class",
        IFF(
          NOT "t4"."class" IS NULL,
          IFF("t4"."class" >= CAST('2' AS BIGINT), 1, 0),
          CAST(NULL AS INT)
        ) AS "label_0",
        "t4"."id" AS "k",
        (
          (
            BITAND("t4"."id", 2147483647)
          ) + (
            (
              (
                BITAND(BITSHIFTRIGHT("t4"."id", 31), 2147483647)
              ) * 1003948111
            ) % 2147483647
          ) + (
            (
              (
                BITAND(BITSHIFTRIGHT("t4"."id", 62), 3)
              ) * 1587976840
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
    "t26"."country",
    "t26"."number",
    "t26"."city",
    "t26"."kind",
    "t26"."spent",
    "t26"."born",
    "t26"."active",
    "t26"."label_0",
    "t26"."k",
    "t26"."x",
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
      "t23"."country",
      "t23"."number",
      "t23"."city",
      "t23"."kind",
      "t23"."spent",
      "t23"."born",
      "t23"."active",
      "t23"."label_0",
      "t23"."k",
      (
        (
          BITAND("t23"."k", 2147483647)
        ) + (
          (
            (
              BITAND(BITSHIFTRIGHT("t23"."k", 31), 2147483647)
            ) * 768400634
          ) % 2147483647
        ) + (
          (
            (
              BITAND(BITSHIFTRIGHT("t23"."k", 62), 3)
            ) * 111147298
          ) % 2147483647
        )
      ) % 2147483647 AS "x"
    FROM (
      SELECT
        "t20"."country",
        "t20"."number",
        "t20"."city",
        "t20"."kind",
        "t20"."spent",
        "t20"."born",
        "t20"."active",
        "t20"."label_0",
        TO_NUMBER(
          SUBSTRING(
            SHA2(
              CONCAT(
                CONCAT(CONCAT(CAST(LENGTH("t20"."country") AS VARCHAR), ':'), "t20"."country"),
                CONCAT(
                  CONCAT(CAST(LENGTH(CAST("t20"."number" AS VARCHAR)) AS VARCHAR), ':'),
                  CAST("t20"."number" AS VARCHAR)
                )
              ),
              256
            ),
            1,
            15
          ),
          'XXXXXXXXXXXXXXX'
        ) AS "k"
      FROM (
        SELECT
          "t15"."country",
          "t15"."number",
          "t15"."city",
          "t15"."kind",
          "t15"."spent",
          "t15"."born",
          "t15"."active",
          "t19"."value" AS "label_0"
        FROM (
          SELECT
            *
          FROM "people" AS "t3"
          WHERE
            "t3"."active"
            AND "t3"."born" >= CAST('1945-01-01' AS DATE)
            AND "t3"."born" <= CAST('2010-12-31' AS DATE)
            AND NOT (
              (
                (
                  "t3"."kind" = 'b'
                ) AND (
                  "t3"."spent" > CAST('800.00' AS DECIMAL(9, 2))
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
              "t13"."value"
            FROM "cities" AS "t6"
            LEFT OUTER JOIN (
              SELECT DISTINCT
                "t5"."code" AS "key_0",
                "t5"."name" AS "value"
              FROM "regions" AS "t5"
              WHERE
                NOT "t5"."code" IS NULL
            ) AS "t13"
              ON "t6"."region" = "t13"."key_0"
          ) AS "t16"
          WHERE
            NOT "t16"."key_0" IS NULL
        ) AS "t19"
          ON "t15"."city" = "t19"."key_0"
      ) AS "t20"
    ) AS "t23"
  ) AS "t26"
), "t30" AS (
  SELECT
    "t28"."country",
    "t28"."number",
    "t28"."city",
    "t28"."kind",
    "t28"."spent",
    "t28"."born",
    "t28"."active"
  FROM "t27" AS "t28"
  WHERE
    "t28"."u" < CASE
      WHEN "t28"."label_0" = 'Region 0'
      THEN 429496729
      WHEN "t28"."label_0" = 'Region 1'
      THEN 429496729
      WHEN "t28"."label_0" = 'Region 2'
      THEN 429496729
      WHEN "t28"."label_0" IS NULL
      THEN 429496729
      ELSE 0
    END
), "t51" AS (
  SELECT
    "t6"."id",
    "t6"."region",
    "t6"."size"
  FROM "cities" AS "t6"
  WHERE
    EXISTS(
      SELECT
        1
      FROM (
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
              "t8"."country",
              "t8"."number",
              "t8"."city",
              "t8"."kind",
              "t8"."spent",
              "t8"."born",
              "t8"."active"
            FROM "people" AS "t8"
            WHERE
              EXISTS(
                SELECT
                  1
                FROM (
                  SELECT
                    "t44"."key_0",
                    "t44"."key_1"
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
                          "t9"."id",
                          "t9"."owner_country",
                          "t9"."owner_number",
                          "t9"."class"
                        FROM "shops" AS "t9"
                        WHERE
                          EXISTS(
                            SELECT
                              1
                            FROM (
                              SELECT
                                "t7"."shop" AS "key_0"
                              FROM "visits" AS "t7"
                              WHERE
                                EXISTS(
                                  SELECT
                                    1
                                  FROM (
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
                                        WHEN "t28"."label_0" IS NULL
                                        THEN 429496729
                                        ELSE 0
                                      END
                                  ) AS "t31"
                                  WHERE
                                    "t7"."country" = "t31"."key_0" AND "t7"."number" = "t31"."key_1"
                                )
                                AND NOT EXISTS(
                                  SELECT
                                    1
                                  FROM "t22" AS "t25"
                                  WHERE
                                    "t7"."shop" = "t25"."id"
                                )
                            ) AS "t37"
                            WHERE
                              "t37"."key_0" = "t9"."id"
                          )
                      ) AS "t39"
                    ) AS "t40"
                  ) AS "t44"
                  WHERE
                    NOT EXISTS(
                      SELECT
                        1
                      FROM "t30" AS "t33"
                      WHERE
                        "t44"."key_0" = "t33"."country" AND "t44"."key_1" = "t33"."number"
                    )
                ) AS "t46"
                WHERE
                  "t46"."key_0" = "t8"."country" AND "t46"."key_1" = "t8"."number"
              )
          ) AS "t47"
        ) AS "t48"
      ) AS "t50"
      WHERE
        "t50"."key_0" = "t6"."id"
    )
), "t57" AS (
  SELECT
    *
  FROM "t51" AS "t52"
  UNION ALL
  SELECT
    *
  FROM (
    SELECT
      "t6"."id",
      "t6"."region",
      "t6"."size"
    FROM "cities" AS "t6"
    WHERE
      EXISTS(
        SELECT
          1
        FROM (
          SELECT
            "t7"."place" AS "key_0"
          FROM "visits" AS "t7"
          WHERE
            EXISTS(
              SELECT
                1
              FROM (
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
                    WHEN "t28"."label_0" IS NULL
                    THEN 429496729
                    ELSE 0
                  END
              ) AS "t31"
              WHERE
                "t7"."country" = "t31"."key_0" AND "t7"."number" = "t31"."key_1"
            )
            AND NOT EXISTS(
              SELECT
                1
              FROM "t51" AS "t53"
              WHERE
                "t7"."place" = CAST("t53"."id" AS VARCHAR)
            )
        ) AS "t55"
        WHERE
          "t55"."key_0" = CAST("t6"."id" AS VARCHAR)
      )
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
    "t6"."id",
    "t6"."region",
    "t6"."size"
  FROM "cities" AS "t6"
  WHERE
    EXISTS(
      SELECT
        1
      FROM (
        SELECT
          "t43"."key_0"
        FROM (
          SELECT
            "t38"."about" AS "key_0"
          FROM (
            SELECT
              "t12"."id",
              "t12"."about",
              "t12"."about_kind"
            FROM (
              SELECT
                *
              FROM "notes" AS "t2"
              WHERE
                "t2"."about_kind" = 'visit'
            ) AS "t12"
            WHERE
              EXISTS(
                SELECT
                  1
                FROM (
                  SELECT
                    "t7"."id" AS "key_0"
                  FROM "visits" AS "t7"
                  WHERE
                    EXISTS(
                      SELECT
                        1
                      FROM (
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
                            WHEN "t28"."label_0" IS NULL
                            THEN 429496729
                            ELSE 0
                          END
                      ) AS "t31"
                      WHERE
                        "t7"."country" = "t31"."key_0" AND "t7"."number" = "t31"."key_1"
                    )
                ) AS "t36"
                WHERE
                  "t12"."about" = "t36"."key_0"
              )
          ) AS "t38"
          WHERE
            "t38"."about_kind" = 'city'
        ) AS "t43"
        WHERE
          NOT EXISTS(
            SELECT
              1
            FROM "t57" AS "t59"
            WHERE
              "t43"."key_0" = "t59"."id"
          )
      ) AS "t61"
      WHERE
        "t61"."key_0" = "t6"."id"
    )
) AS "t62";

-- the rows of the sample: regions
SELECT
  *
FROM "regions";

-- The sample f4048ab63731 as SQL for clickhouse; compiled, not run: no test carries it out there.
-- It draws the rows that sandbox sample draws, where the tables hold the same values.
-- Thresholds and bins are those of the source when it was counted just now.

-- the units of each stratum: people
SELECT
  *
FROM (
  SELECT
    "t1"."spent" AS "spent",
    COUNT(*) AS "population"
  FROM (
    SELECT
      CASE
        WHEN isNotNull("t0"."spent")
        THEN CASE WHEN "t0"."spent" >= CAST('0.00' AS Nullable(Decimal(9, 2))) THEN 1 ELSE 0 END
        ELSE CAST(NULL AS Nullable(Int32))
      END AS "spent",
      "t0"."country" AS "key_0",
      "t0"."number" AS "key_1"
    FROM "people" AS "t0"
    WHERE
      "t0"."active" AND isNotNull("t0"."country") AND isNotNull("t0"."number")
  ) AS "t1"
  GROUP BY
    "t1"."spent"
) AS "t2"
ORDER BY
  "t2"."spent" ASC
SETTINGS join_use_nulls = 1;

-- the rows of the sample: people
SELECT
  "t4"."country" AS "country",
  "t4"."number" AS "number",
  "t4"."city" AS "city",
  "t4"."kind" AS "kind",
  "t4"."spent" AS "spent",
  "t4"."born" AS "born",
  "t4"."active" AS "active"
FROM (
  SELECT
    "t3"."country" AS "country",
    "t3"."number" AS "number",
    "t3"."city" AS "city",
    "t3"."kind" AS "kind",
    "t3"."spent" AS "spent",
    "t3"."born" AS "born",
    "t3"."active" AS "active",
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
                    "t3"."x" * 1432120298
                  ) + 119592875
                ) % 2147483647
              ) * "t3"."x"
            ) + 2005623711
          ) % 2147483647
        ) * "t3"."x"
      ) + 1302416452
    ) % 2147483647 AS "u"
  FROM (
    SELECT
      "t2"."country" AS "country",
      "t2"."number" AS "number",
      "t2"."city" AS "city",
      "t2"."kind" AS "kind",
      "t2"."spent" AS "spent",
      "t2"."born" AS "born",
      "t2"."active" AS "active",
      "t2"."label_0" AS "label_0",
      "t2"."k" AS "k",
      (
        bitAnd("t2"."k", 2147483647) + (
          (
            bitAnd(
              bitShiftRight(CAST("t2"."k" AS Nullable(Int64)), CAST(31 AS Nullable(Int64))),
              2147483647
            ) * 768400634
          ) % 2147483647
        ) + (
          (
            bitAnd(bitShiftRight(CAST("t2"."k" AS Nullable(Int64)), CAST(62 AS Nullable(Int64))), 3) * 111147298
          ) % 2147483647
        )
      ) % 2147483647 AS "x"
    FROM (
      SELECT
        "t1"."country" AS "country",
        "t1"."number" AS "number",
        "t1"."city" AS "city",
        "t1"."kind" AS "kind",
        "t1"."spent" AS "spent",
        "t1"."born" AS "born",
        "t1"."active" AS "active",
        "t1"."label_0" AS "label_0",
        reinterpretAsInt64(
          reverse(
            unhex(
              CONCAT(
                '0',
                SUBSTRING(
                  HEX(
                    SHA256(
                      CONCAT(
                        CONCAT(CONCAT(CAST(lengthUTF8("t1"."country") AS Nullable(String)), ':'), "t1"."country"),
                        CONCAT(
                          CONCAT(CAST(lengthUTF8(CAST("t1"."number" AS Nullable(String))) AS Nullable(String)), ':'),
                          CAST("t1"."number" AS Nullable(String))
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
          "t0"."country" AS "country",
          "t0"."number" AS "number",
          "t0"."city" AS "city",
          "t0"."kind" AS "kind",
          "t0"."spent" AS "spent",
          "t0"."born" AS "born",
          "t0"."active" AS "active",
          CASE
            WHEN isNotNull("t0"."spent")
            THEN CASE WHEN "t0"."spent" >= CAST('0.00' AS Nullable(Decimal(9, 2))) THEN 1 ELSE 0 END
            ELSE CAST(NULL AS Nullable(Int32))
          END AS "label_0"
        FROM "people" AS "t0"
        WHERE
          "t0"."active"
      ) AS "t1"
    ) AS "t2"
  ) AS "t3"
) AS "t4"
WHERE
  "t4"."u" < CASE
    WHEN "t4"."label_0" = 0
    THEN 813781428
    WHEN "t4"."label_0" = 1
    THEN 429496729
    ELSE 0
  END
SETTINGS join_use_nulls = 1;

-- the rows of the sample: visits
SELECT
  "t2"."id" AS "id",
  "t2"."country" AS "country",
  "t2"."number" AS "number",
  "t2"."place" AS "place",
  "t2"."shop" AS "shop"
FROM "visits" AS "t2"
LEFT SEMI JOIN (
  SELECT
    "t6"."country" AS "key_0",
    "t6"."number" AS "key_1"
  FROM (
    SELECT
      "t5"."country" AS "country",
      "t5"."number" AS "number",
      "t5"."city" AS "city",
      "t5"."kind" AS "kind",
      "t5"."spent" AS "spent",
      "t5"."born" AS "born",
      "t5"."active" AS "active",
      "t5"."label_0" AS "label_0",
      "t5"."k" AS "k",
      "t5"."x" AS "x",
      (
        (
          (
            (
              (
                (
                  (
                    (
                      "t5"."x" * 1432120298
                    ) + 119592875
                  ) % 2147483647
                ) * "t5"."x"
              ) + 2005623711
            ) % 2147483647
          ) * "t5"."x"
        ) + 1302416452
      ) % 2147483647 AS "u"
    FROM (
      SELECT
        "t4"."country" AS "country",
        "t4"."number" AS "number",
        "t4"."city" AS "city",
        "t4"."kind" AS "kind",
        "t4"."spent" AS "spent",
        "t4"."born" AS "born",
        "t4"."active" AS "active",
        "t4"."label_0" AS "label_0",
        "t4"."k" AS "k",
        (
          bitAnd("t4"."k", 2147483647) + (
            (
              bitAnd(
                bitShiftRight(CAST("t4"."k" AS Nullable(Int64)), CAST(31 AS Nullable(Int64))),
                2147483647
              ) * 768400634
            ) % 2147483647
          ) + (
            (
              bitAnd(bitShiftRight(CAST("t4"."k" AS Nullable(Int64)), CAST(62 AS Nullable(Int64))), 3) * 111147298
            ) % 2147483647
          )
        ) % 2147483647 AS "x"
      FROM (
        SELECT
          "t3"."country" AS "country",
          "t3"."number" AS "number",
          "t3"."city" AS "city",
          "t3"."kind" AS "kind",
          "t3"."spent" AS "spent",
          "t3"."born" AS "born",
          "t3"."active" AS "active",
          "t3"."label_0" AS "label_0",
          reinterpretAsInt64(
            reverse(
              unhex(
                CONCAT(
                  '0',
                  SUBSTRING(
                    HEX(
                      SHA256(
                        CONCAT(
                          CONCAT(CONCAT(CAST(lengthUTF8("t3"."country") AS Nullable(String)), ':'), "t3"."country"),
                          CONCAT(
                            CONCAT(CAST(lengthUTF8(CAST("t3"."number" AS Nullable(String))) AS Nullable(String)), ':'),
                            CAST("t3"."number" AS Nullable(String))
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
            "t1"."country" AS "country",
            "t1"."number" AS "number",
            "t1"."city" AS "city",
            "t1"."kind" AS "kind",
            "t1"."spent" AS "spent",
            "t1"."born" AS "born",
            "t1"."active" AS "active",
            CASE
              WHEN isNotNull("t1"."spent")
              THEN CASE WHEN "t1"."spent" >= CAST('0.00' AS Nullable(Decimal(9, 2))) THEN 1 ELSE 0 END
              ELSE CAST(NULL AS Nullable(Int32))
            END AS "label_0"
          FROM "people" AS "t1"
          WHERE
            "t1"."active"
        ) AS "t3"
      ) AS "t4"
    ) AS "t5"
  ) AS "t6"
  WHERE
    "t6"."u" < CASE
      WHEN "t6"."label_0" = 0
      THEN 813781428
      WHEN "t6"."label_0" = 1
      THEN 429496729
      ELSE 0
    END
) AS "t8"
  ON "t2"."country" = "t8"."key_0" AND "t2"."number" = "t8"."key_1"
SETTINGS join_use_nulls = 1;

-- the rows of the sample: cities
SELECT
  "t2"."id" AS "id",
  "t2"."region" AS "region",
  "t2"."size" AS "size"
FROM "cities" AS "t2"
LEFT SEMI JOIN (
  SELECT
    "t6"."city" AS "key_0"
  FROM (
    SELECT
      "t5"."country" AS "country",
      "t5"."number" AS "number",
      "t5"."city" AS "city",
      "t5"."kind" AS "kind",
      "t5"."spent" AS "spent",
      "t5"."born" AS "born",
      "t5"."active" AS "active",
      "t5"."label_0" AS "label_0",
      "t5"."k" AS "k",
      "t5"."x" AS "x",
      (
        (
          (
            (
              (
                (
                  (
                    (
                      "t5"."x" * 1432120298
                    ) + 119592875
                  ) % 2147483647
                ) * "t5"."x"
              ) + 2005623711
            ) % 2147483647
          ) * "t5"."x"
        ) + 1302416452
      ) % 2147483647 AS "u"
    FROM (
      SELECT
        "t4"."country" AS "country",
        "t4"."number" AS "number",
        "t4"."city" AS "city",
        "t4"."kind" AS "kind",
        "t4"."spent" AS "spent",
        "t4"."born" AS "born",
        "t4"."active" AS "active",
        "t4"."label_0" AS "label_0",
        "t4"."k" AS "k",
        (
          bitAnd("t4"."k", 2147483647) + (
            (
              bitAnd(
                bitShiftRight(CAST("t4"."k" AS Nullable(Int64)), CAST(31 AS Nullable(Int64))),
                2147483647
              ) * 768400634
            ) % 2147483647
          ) + (
            (
              bitAnd(bitShiftRight(CAST("t4"."k" AS Nullable(Int64)), CAST(62 AS Nullable(Int64))), 3) * 111147298
            ) % 2147483647
          )
        ) % 2147483647 AS "x"
      FROM (
        SELECT
          "t3"."country" AS "country",
          "t3"."number" AS "number",
          "t3"."city" AS "city",
          "t3"."kind" AS "kind",
          "t3"."spent" AS "spent",
          "t3"."born" AS "born",
          "t3"."active" AS "active",
          "t3"."label_0" AS "label_0",
          reinterpretAsInt64(
            reverse(
              unhex(
                CONCAT(
                  '0',
                  SUBSTRING(
                    HEX(
                      SHA256(
                        CONCAT(
                          CONCAT(CONCAT(CAST(lengthUTF8("t3"."country") AS Nullable(String)), ':'), "t3"."country"),
                          CONCAT(
                            CONCAT(CAST(lengthUTF8(CAST("t3"."number" AS Nullable(String))) AS Nullable(String)), ':'),
                            CAST("t3"."number" AS Nullable(String))
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
            "t1"."country" AS "country",
            "t1"."number" AS "number",
            "t1"."city" AS "city",
            "t1"."kind" AS "kind",
            "t1"."spent" AS "spent",
            "t1"."born" AS "born",
            "t1"."active" AS "active",
            CASE
              WHEN isNotNull("t1"."spent")
              THEN CASE WHEN "t1"."spent" >= CAST('0.00' AS Nullable(Decimal(9, 2))) THEN 1 ELSE 0 END
              ELSE CAST(NULL AS Nullable(Int32))
            END AS "label_0"
          FROM "people" AS "t1"
          WHERE
            "t1"."active"
        ) AS "t3"
      ) AS "t4"
    ) AS "t5"
  ) AS "t6"
  WHERE
    "t6"."u" < CASE
      WHEN "t6"."label_0" = 0
      THEN 813781428
      WHEN "t6"."label_0" = 1
      THEN 429496729
      ELSE 0
    END
) AS "t8"
  ON "t8"."key_0" = "t2"."id"
SETTINGS join_use_nulls = 1;

-- The sample f4048ab63731 as SQL for trino; compiled, not run: no test carries it out there.
-- It draws the rows that sandbox sample draws, where the tables hold the same values.
-- Thresholds and bins are those of the source when it was counted just now.

-- the units of each stratum: people
SELECT
  *
FROM (
  SELECT
    "t1"."spent",
    COUNT(*) AS "population"
  FROM (
    SELECT
      IF(
        NOT "t0"."spent" IS NULL,
        IF("t0"."spent" >= CAST('0.00' AS DECIMAL(9, 2)), 1, 0),
        CAST(NULL AS INTEGER)
      ) AS "spent",
      "t0"."country" AS "key_0",
      "t0"."number" AS "key_1"
    FROM "people" AS "t0"
    WHERE
      "t0"."active" AND NOT "t0"."country" IS NULL AND NOT "t0"."number" IS NULL
  ) AS "t1"
  GROUP BY
    1
) AS "t2"
ORDER BY
  "t2"."spent" ASC;

-- the rows of the sample: people
SELECT
  "t4"."country",
  "t4"."number",
  "t4"."city",
  "t4"."kind",
  "t4"."spent",
  "t4"."born",
  "t4"."active"
FROM (
  SELECT
    "t3"."country",
    "t3"."number",
    "t3"."city",
    "t3"."kind",
    "t3"."spent",
    "t3"."born",
    "t3"."active",
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
      "t2"."country",
      "t2"."number",
      "t2"."city",
      "t2"."kind",
      "t2"."spent",
      "t2"."born",
      "t2"."active",
      "t2"."label_0",
      "t2"."k",
      (
        (
          BITWISE_AND("t2"."k", 2147483647)
        ) + (
          (
            (
              BITWISE_AND((
                BITWISE_RIGHT_SHIFT("t2"."k", 31)
              ), 2147483647)
            ) * 768400634
          ) % 2147483647
        ) + (
          (
            (
              BITWISE_AND((
                BITWISE_RIGHT_SHIFT("t2"."k", 62)
              ), 3)
            ) * 111147298
          ) % 2147483647
        )
      ) % 2147483647 AS "x"
    FROM (
      SELECT
        "t1"."country",
        "t1"."number",
        "t1"."city",
        "t1"."kind",
        "t1"."spent",
        "t1"."born",
        "t1"."active",
        "t1"."label_0",
        FROM_BASE(
          SUBSTR(
            TO_HEX(
              SHA256(
                TO_UTF8(
                  CONCAT(
                    CONCAT(CONCAT(CAST(LENGTH("t1"."country") AS VARCHAR), ':'), "t1"."country"),
                    CONCAT(
                      CONCAT(CAST(LENGTH(CAST("t1"."number" AS VARCHAR)) AS VARCHAR), ':'),
                      CAST("t1"."number" AS VARCHAR)
                    )
                  )
                )
              )
            ),
            1,
            15
          ),
          16
        ) AS "k"
      FROM (
        SELECT
          "t0"."country",
          "t0"."number",
          "t0"."city",
          "t0"."kind",
          "t0"."spent",
          "t0"."born",
          "t0"."active",
          IF(
            NOT "t0"."spent" IS NULL,
            IF("t0"."spent" >= CAST('0.00' AS DECIMAL(9, 2)), 1, 0),
            CAST(NULL AS INTEGER)
          ) AS "label_0"
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
  END;

-- the rows of the sample: visits
SELECT
  "t2"."id",
  "t2"."country",
  "t2"."number",
  "t2"."place",
  "t2"."shop"
FROM "visits" AS "t2"
WHERE
  EXISTS(
    SELECT
      1
    FROM (
      SELECT
        "t6"."country" AS "key_0",
        "t6"."number" AS "key_1"
      FROM (
        SELECT
          "t5"."country",
          "t5"."number",
          "t5"."city",
          "t5"."kind",
          "t5"."spent",
          "t5"."born",
          "t5"."active",
          "t5"."label_0",
          "t5"."k",
          "t5"."x",
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
            "t4"."country",
            "t4"."number",
            "t4"."city",
            "t4"."kind",
            "t4"."spent",
            "t4"."born",
            "t4"."active",
            "t4"."label_0",
            "t4"."k",
            (
              (
                BITWISE_AND("t4"."k", 2147483647)
              ) + (
                (
                  (
                    BITWISE_AND((
                      BITWISE_RIGHT_SHIFT("t4"."k", 31)
                    ), 2147483647)
                  ) * 768400634
                ) % 2147483647
              ) + (
                (
                  (
                    BITWISE_AND((
                      BITWISE_RIGHT_SHIFT("t4"."k", 62)
                    ), 3)
                  ) * 111147298
                ) % 2147483647
              )
            ) % 2147483647 AS "x"
          FROM (
            SELECT
              "t3"."country",
              "t3"."number",
              "t3"."city",
              "t3"."kind",
              "t3"."spent",
              "t3"."born",
              "t3"."active",
              "t3"."label_0",
              FROM_BASE(
                SUBSTR(
                  TO_HEX(
                    SHA256(
                      TO_UTF8(
                        CONCAT(
                          CONCAT(CONCAT(CAST(LENGTH("t3"."country") AS VARCHAR), ':'), "t3"."country"),
                          CONCAT(
                            CONCAT(CAST(LENGTH(CAST("t3"."number" AS VARCHAR)) AS VARCHAR), ':'),
                            CAST("t3"."number" AS VARCHAR)
                          )
                        )
                      )
                    )
                  ),
                  1,
                  15
                ),
                16
              ) AS "k"
            FROM (
              SELECT
                "t1"."country",
                "t1"."number",
                "t1"."city",
                "t1"."kind",
                "t1"."spent",
                "t1"."born",
                "t1"."active",
                IF(
                  NOT "t1"."spent" IS NULL,
                  IF("t1"."spent" >= CAST('0.00' AS DECIMAL(9, 2)), 1, 0),
                  CAST(NULL AS INTEGER)
                ) AS "label_0"
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
    WHERE
      "t2"."country" = "t8"."key_0" AND "t2"."number" = "t8"."key_1"
  );

-- the rows of the sample: cities
SELECT
  "t2"."id",
  "t2"."region",
  "t2"."size"
FROM "cities" AS "t2"
WHERE
  EXISTS(
    SELECT
      1
    FROM (
      SELECT
        "t6"."city" AS "key_0"
      FROM (
        SELECT
          "t5"."country",
          "t5"."number",
          "t5"."city",
          "t5"."kind",
          "t5"."spent",
          "t5"."born",
          "t5"."active",
          "t5"."label_0",
          "t5"."k",
          "t5"."x",
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
            "t4"."country",
            "t4"."number",
            "t4"."city",
            "t4"."kind",
            "t4"."spent",
            "t4"."born",
            "t4"."active",
            "t4"."label_0",
            "t4"."k",
            (
              (
                BITWISE_AND("t4"."k", 2147483647)
              ) + (
                (
                  (
                    BITWISE_AND((
                      BITWISE_RIGHT_SHIFT("t4"."k", 31)
                    ), 2147483647)
                  ) * 768400634
                ) % 2147483647
              ) + (
                (
                  (
                    BITWISE_AND((
                      BITWISE_RIGHT_SHIFT("t4"."k", 62)
                    ), 3)
                  ) * 111147298
                ) % 2147483647
              )
            ) % 2147483647 AS "x"
          FROM (
            SELECT
              "t3"."country",
              "t3"."number",
              "t3"."city",
              "t3"."kind",
              "t3"."spent",
              "t3"."born",
              "t3"."active",
              "t3"."label_0",
              FROM_BASE(
                SUBSTR(
                  TO_HEX(
                    SHA256(
                      TO_UTF8(
                        CONCAT(
                          CONCAT(CONCAT(CAST(LENGTH("t3"."country") AS VARCHAR), ':'), "t3"."country"),
                          CONCAT(
                            CONCAT(CAST(LENGTH(CAST("t3"."number" AS VARCHAR)) AS VARCHAR), ':'),
                            CAST("t3"."number" AS VARCHAR)
                          )
                        )
                      )
                    )
                  ),
                  1,
                  15
                ),
                16
              ) AS "k"
            FROM (
              SELECT
                "t1"."country",
                "t1"."number",
                "t1"."city",
                "t1"."kind",
                "t1"."spent",
                "t1"."born",
                "t1"."active",
                IF(
                  NOT "t1"."spent" IS NULL,
                  IF("t1"."spent" >= CAST('0.00' AS DECIMAL(9, 2)), 1, 0),
                  CAST(NULL AS INTEGER)
                ) AS "label_0"
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
    WHERE
      "t8"."key_0" = "t2"."id"
  );

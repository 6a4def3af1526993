-- private row
SELECT age, k, b, SUM(b) AS s
FROM visits
WHERE temp >= 36.65 AND k IS NOT NULL
GROUP BY age, k, b
ORDER BY s DESC LIMIT 3
-- becomes
SELECT
  ((CASE WHEN "age" < 40 THEN 0 WHEN "age" < 60 THEN 1 WHEN "age" IS NOT NULL THEN 2 END) * 3 + COALESCE("k", 2)) * 2 + CASE WHEN "b" THEN 1 WHEN NOT "b" THEN 0 END AS "group",
  COALESCE(SUM(CAST("b" AS BIGINT)), 0) AS "f0"
FROM "visits"
WHERE "age" IS NOT NULL AND "b" IS NOT NULL AND (("temp" >= 367) AND (NOT ("k" IS NULL)))
GROUP BY 1

SELECT
  age,
  CASE sex WHEN 1 THEN 'M' WHEN 0 THEN 'F' END AS sex,
  CASE cp WHEN 1 THEN 'typical' WHEN 2 THEN 'atypical' WHEN 3 THEN 'non_anginal' WHEN 4 THEN 'asymptomatic' END AS cp,
  NULLIF(trestbps, 0) AS trestbps,
  NULLIF(chol, 0) AS chol,
  fbs = 1 AS fbs,
  restecg > 0 AS ecg_abnormal,
  thalach,
  exang = 1 AS exang,
  oldpeak,
  num > 0 AS disease
FROM source

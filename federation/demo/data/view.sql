SELECT
  age,
  CASE as_number(sex) WHEN 1 THEN 'M' WHEN 0 THEN 'F' END AS sex,
  CASE as_number(cp) WHEN 1 THEN 'typical' WHEN 2 THEN 'atypical' WHEN 3 THEN 'non_anginal' WHEN 4 THEN 'asymptomatic' END AS cp,
  NULLIF(as_number(trestbps), 0) AS trestbps,
  NULLIF(as_number(chol), 0) AS chol,
  as_number(fbs) = 1 AS fbs,
  as_number(restecg) > 0 AS ecg_abnormal,
  thalach,
  as_number(exang) = 1 AS exang,
  oldpeak,
  as_number(num) > 0 AS disease
FROM source

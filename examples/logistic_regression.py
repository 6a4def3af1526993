"""A private model over all hospitals: encrypted sums, charged round by round."""

from hospitals import open_session

from federation.training.estimators import FederatedLogisticRegression

FEATURES = ["age", "sex", "cp", "trestbps", "fbs", "ecg_abnormal", "thalach", "exang", "oldpeak"]

with open_session() as session:
    model = FederatedLogisticRegression(epsilon=0.9, rounds=20, purpose="example")
    model.fit(session, table="patients", features=FEATURES, target="disease")
    for name, weight in zip(model.feature_names_out_, model.coef_[0], strict=True):
        print(f"{name:24} {weight:+.2f}")
    print(f"{model.n_iter_} rounds, epsilon {model.epsilon_:.2f}")

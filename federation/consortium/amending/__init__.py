"""Changes of a consortium after its founding, each by the signatures of its sites."""

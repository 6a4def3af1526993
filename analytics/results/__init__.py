"""Results: opened integers as an answer, with its errors and explanations."""

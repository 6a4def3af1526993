"""The questions of a session: by name, by accuracy, cubes, quotes, gates."""

"""Who may use the dashboard: the one-time token, the session cookie, and the checks of every request."""

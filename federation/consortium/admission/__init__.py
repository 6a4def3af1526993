"""Who is invited and admitted to a consortium, and what the administrators compared."""

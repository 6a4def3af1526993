"""How a connection begins: listening, greeting, identification."""

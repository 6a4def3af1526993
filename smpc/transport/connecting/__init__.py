"""How a connection begins: listening and greeting."""

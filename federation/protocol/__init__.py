"""Messages, requests and errors as they cross the network, and the exchanges that carry them."""

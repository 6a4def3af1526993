"""What statistics of times to an event share: their cells, curves, means, tests and answers."""

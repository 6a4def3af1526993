"""Models of pictures: figures of the examples, cost of a round, and the pictures of docs/images.md."""

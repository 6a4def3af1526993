"""What a site keeps of requests: their texts, their refusals."""

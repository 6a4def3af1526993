"""What a site accepts: queries, trainings, limits on exact disclosures and on concurrency."""

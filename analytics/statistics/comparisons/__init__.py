"""Means, ranks and variances of groups, as the tests of location compare them."""

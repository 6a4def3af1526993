"""Answers that an analyst has paid for, kept and used again."""

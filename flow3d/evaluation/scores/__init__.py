"""Scores of pictures, flows and clips, and statistics over many of them."""

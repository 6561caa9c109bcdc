"""Methods under evaluation, and the row of numbers that is measured for each pair."""

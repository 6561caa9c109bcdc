"""Who is measured, and pair by pair how: a row of numbers for each."""

"""What one lesson needs of its own, one module per notebook (``lesson_03.py`` serves notebook 03)."""

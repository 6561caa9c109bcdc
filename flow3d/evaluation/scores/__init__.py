"""What is computed: scores of pictures, flows and clips, and the statistics of many."""

"""What trains and measures in one go: the paper's ablations, and earlier methods beside ours."""

"""How does a PyTorch model become a float graph? Only files that need torch load it: rules do not."""

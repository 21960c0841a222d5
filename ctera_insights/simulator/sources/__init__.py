"""Where the content of a simulated Portal comes from."""

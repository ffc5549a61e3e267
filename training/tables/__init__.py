"""Published numbers, result tables and figures shared by the four studies."""

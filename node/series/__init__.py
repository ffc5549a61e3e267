"""Station 2: group stored objects into complete series, and select the one to measure."""

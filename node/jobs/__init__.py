"""Station 3: create and enqueue a job for the selected series, and record its outcome."""

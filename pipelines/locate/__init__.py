"""Which bones are in the scan, where they lie, and the names of the vertebrae."""

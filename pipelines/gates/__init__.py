"""Gates: each module holds one condition that flags or withholds, with its coded reason."""

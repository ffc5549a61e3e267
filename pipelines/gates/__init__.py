"""Gates: each module holds one condition that flags or withholds values, with its reason code."""

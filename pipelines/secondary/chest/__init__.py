"""Study 4: class of L1 and L2 in a chest CT."""

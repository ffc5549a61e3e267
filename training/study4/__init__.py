"""Study 4: bone status from central slices of L1 and L2 in a chest CT."""

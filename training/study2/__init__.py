"""Study 2: radiomic R-score of vertebral bodies for fracture."""

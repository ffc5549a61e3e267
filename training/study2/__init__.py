"""Study 2: R-score, a radiomic score of vertebral bodies for fracture."""

"""The virtual women of study 2: who is scanned, and the features of their vertebrae.

plan      who takes part, in which scanner, which levels
features  scan, outline three times, extract; one file per woman, resumable
shipped   the R-score of the product from the tables
"""

"""Study 3: proximal femora of the virtual cohort, their features, and the forest over them.

``plan`` says who is scanned, ``examples`` scans and measures, ``export`` ships the forest;
``training.studies.study3`` runs all of it.
"""

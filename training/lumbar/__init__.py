"""Study 1: areal density and bone status from one vertebra, learned on the virtual cohort.

``plan`` draws and splits the patients, ``examples`` scans their vertebrae and measures their DXA,
``train`` trains one of the two networks, ``predict`` runs it; ``training.studies.study1`` puts the
result beside the published table.
"""

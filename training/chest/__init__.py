"""Study 4: bone status from the central slices of L1 and L2 of a chest CT.

``plan`` draws and splits the subjects, ``examples`` scans the two slices of each, ``train`` trains
the segmentation networks and the classifiers, ``predict`` runs them; ``training.studies.study4``
puts the result beside the published table.
"""

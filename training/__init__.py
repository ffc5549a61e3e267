"""The virtual cohort, trainers and evaluation. Nothing here is needed to run the node.

``cohort`` simulates patients, ``segmentation`` trains the spine network on them,
``evaluate_segmentation`` measures it on real CTs.
"""

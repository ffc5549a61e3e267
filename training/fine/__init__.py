"""Training of the 1 mm networks: proximal femur, single vertebra, and the chest slice.

``deformation`` and ``imaging`` are shared: how anatomy varies and how a scanner sees it. ``bone``
paints cortex and trabecular bone from signed distances. ``femur``, ``vertebra`` and ``chest`` make
samples; ``train`` runs any of them; ``evaluate`` measures.
"""

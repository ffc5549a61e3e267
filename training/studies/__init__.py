"""The four studies, each run and set beside what it published.

``published`` holds the printed figures with their sources and the errors found in them, ``table``
and ``figures`` the one way in which every study writes what it found: ``table.json``, ``table.md``
and pictures in one folder, with command, seed, device and duration.
"""

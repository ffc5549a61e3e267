"""Paint the patient table: curved, or flat with a cushion."""

import numpy as np

from training.cohort.body.anatomy import Anatomy
from training.cohort.paint.grid import Floats, Grid

FOAM_HU, SHELL_HU, CUSHION_HU = -850.0, -60.0, -930.0
HALF_WIDTH_MM = 230.0
DEPTH_MM, SHELL_MM, CUSHION_MM = 42.0, 2.0, 22.0
CURVATURE_PER_MM = 0.00108


def lay_on_table(anatomy: Anatomy, *, flat: bool) -> None:
    """Paint a table of foam in a thin shell under the back; replaces only air."""
    grid = anatomy.grid
    x, y = grid.axis(0)[None, :], grid.axis(1)[:, None]
    lowest = _lowest_point_mm(anatomy.hu, grid)
    if lowest is None:
        return
    if flat:
        depth = y - (lowest + CUSHION_MM) + 0 * x
    else:
        depth = y - (lowest + 3 - CURVATURE_PER_MM * np.minimum(np.abs(x), HALF_WIDTH_MM) ** 2)
    under = np.abs(x) < HALF_WIDTH_MM
    board = under & (depth > 0) & (depth < DEPTH_MM)
    shell = board & ((depth < SHELL_MM) | (depth > DEPTH_MM - SHELL_MM))
    table = np.where(shell, SHELL_HU, np.where(board, FOAM_HU, CUSHION_HU)).astype(np.float32)
    covered = board | (under & (depth <= 0) & (depth > -2 * CUSHION_MM)) if flat else board
    for plane in anatomy.hu:
        air = covered & (plane < -990)
        plane[air] = table[air]


def _lowest_point_mm(hu: Floats, grid: Grid) -> float | None:
    """Most posterior row that is not air; ``None`` if the grid is all air or all patient."""
    rows = np.flatnonzero((hu[:: max(1, len(hu) // 8)] > -500).any(axis=(0, 2)))
    if not len(rows) or rows[-1] == grid.shape[1] - 1:
        return None
    return float(grid.axis(1)[rows[-1]])

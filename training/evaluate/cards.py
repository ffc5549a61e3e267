"""Write the results of the evaluation into the model cards of the networks.

    python -m training.evaluate --json > docs/results/segmentation.json
    python -m training.evaluate.cards

Each figure goes to the network that it depends on most: names and positions to the spine network,
outlines at 1 mm to that of vertebrae or femora, sacrum and coarse femora to that of hips. Figures
of a card on other data stay, such as those on held-out patches of its training.
"""

import argparse
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Final

from models.cards import WEIGHTS_FOLDER, Metric, ModelCard, card

RESULTS: Final = Path("docs/results/segmentation.json")
ROWS_OF_NETWORK: Final[Mapping[str, str]] = MappingProxyType(
    {
        "spine_3mm": r"named|lumbar|centroid|agreement",
        "vertebra_1mm": r"Dice (body|whole|vertebra)",
        "femur_1mm": r"Dice femur (left|right), head|Dice femur in the crop",
        "hips_3mm": r"coarse|sacrum",
    }
)
"""Pattern of ``what`` by network; the first match assigns a row."""


def figures_of(name: str, rows: Iterable[Mapping[str, object]]) -> tuple[Metric, ...]:
    """Return the figures of the rows that belong to this network.

    Parameters
    ----------
    rows
        on, what, value, goal, n (`training.loop.measured.Row`).
    """
    return tuple(
        Metric.model_validate({key: row[key] for key in ("on", "what", "value", "n")})
        for row in rows
        if _network_of(str(row["what"])) == name
    )


def _network_of(what: str) -> str | None:
    return next(
        (name for name, pattern in ROWS_OF_NETWORK.items() if re.search(pattern, what)), None
    )


def with_figures(described: ModelCard, rows: Sequence[Mapping[str, object]]) -> ModelCard:
    """Return the card with the figures of ``rows`` instead of its figures on the same data."""
    measured_on = {str(row["on"]) for row in rows}
    others = tuple(one for one in described.metrics if one.on not in measured_on)
    return described.model_copy(update={"metrics": others + figures_of(described.name, rows)})


def main() -> None:
    """Update the cards of all networks."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=Path, default=RESULTS)
    parser.add_argument("--folder", type=Path, default=WEIGHTS_FOLDER)
    arguments = parser.parse_args()
    rows = json.loads(arguments.rows.read_text(encoding="utf-8"))
    for name in ROWS_OF_NETWORK:
        updated = with_figures(card(name), rows)
        file = arguments.folder / f"{name}.json"
        file.write_text(updated.model_dump_json(indent=2) + "\n", encoding="utf-8")
        print(f"{name}: {len(updated.metrics)} figures")


if __name__ == "__main__":
    main()

"""Settings: one file, the environment, and every mistake printed in words."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from node.config import Settings, load_settings, unknown_variables
from node.errors import ConfigError
from node.tools.config_docs import example, markdown

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """There is no settings file in the working folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("OSTEONODE_CONFIG", raising=False)


def _write(text: str) -> Path:
    path = Path("osteonode.toml")
    path.write_text(text)
    return path


def test_defaults_need_no_file(tmp_path: Path) -> None:
    """A node starts without any settings; relative folders become absolute."""
    settings = load_settings()

    assert settings.node.ae_title == "OSTEONODE"
    assert settings.node.port == 11112
    assert settings.data_folder == tmp_path / "osteonode-data"
    assert settings.spool_folder.parent == settings.run_folder.parent == settings.data_folder
    assert settings.ledger_url == f"sqlite:///{tmp_path}/osteonode-data/ledger.sqlite3"
    assert settings.destinations == ()


def test_file_in_the_working_folder_is_found() -> None:
    """``osteonode.toml`` needs no option."""
    _write('[node]\nport = 104\n[[destinations]]\nname="a"\nae_title="PACS"\nhost="h"\nport=4242\n')

    settings = load_settings()

    assert settings.node.port == 104
    assert settings.destinations[0].ae_title == "PACS"
    assert settings.destinations[0].calling_ae_title is None


def test_environment_takes_precedence_over_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """Single keys, and only these."""
    path = _write('[node]\nport = 104\nae_title = "BONES"\n')
    monkeypatch.setenv("OSTEONODE_NODE__PORT", "105")
    monkeypatch.setenv("OSTEONODE_INTAKE__ACCEPTED_CALLING_AE_TITLES", '["PACS"]')

    settings = load_settings(path)

    assert (settings.node.port, settings.node.ae_title) == (105, "BONES")
    assert settings.intake.accepted_calling_ae_titles == ("PACS",)


def test_every_mistake_has_its_line() -> None:
    """All at once, by the name of the setting."""
    path = _write(
        '[node]\nprot = 104\nport = 70000\nae_title = "A TITLE THAT IS TOO LONG"\n'
        '[queue]\nbroker = "redis"\n[[destinations]]\nname = "a"\n'
    )

    with pytest.raises(ConfigError) as error:
        load_settings(path)

    lines = error.value.found.splitlines()
    assert lines[0] == "osteonode.toml or the environment has mistakes:"
    for start in (
        "node.prot: no such setting",
        "node.port = 70000: ",
        "node.ae_title = 'A TITLE THAT IS TOO LONG': an AE title has",
        "queue.broker = 'redis': expected",
        "destinations.0.ae_title: missing",
    ):
        assert any(line.strip().startswith(start) for line in lines), start


@pytest.mark.parametrize("text", ["[node", "node = 3", "port = 1\n[node]\nport = 'x'"])
def test_broken_files_are_explained(text: str) -> None:
    """Never a traceback of the parser."""
    with pytest.raises(ConfigError):
        load_settings(_write(text))


def test_missing_file_error_has_a_remedy() -> None:
    """A named file must exist."""
    with pytest.raises(ConfigError, match=r"no settings file nowhere.toml.*example"):
        load_settings(Path("nowhere.toml"))


def test_misspelt_variables_are_found() -> None:
    """pydantic ignores them; ``config check`` does not."""
    names = ["OSTEONODE_NODE__PORT", "OSTEONODE_NODE__PROT", "OSTEONODE_CONFIG", "HOME"]
    assert unknown_variables(names) == ["OSTEONODE_NODE__PROT"]


def test_two_destinations_need_two_names() -> None:
    """The name is the key in ledger and log."""
    one = '[[destinations]]\nname="a"\nae_title="PACS"\nhost="h"\nport=4242\n'
    with pytest.raises(ConfigError, match="two destinations have the same name"):
        load_settings(_write(one + one))


def test_settings_cannot_be_changed() -> None:
    """Functions share them, so they are frozen."""
    settings = Settings()
    with pytest.raises(ValidationError):
        settings.node.port = 1  # type: ignore[misc]


def test_every_setting_is_described() -> None:
    """Every field has a description."""
    for name, section in Settings.model_fields.items():
        fields = getattr(section.annotation, "model_fields", {})
        for key, field in fields.items():
            assert field.description, f"{name}.{key}"
            assert field.description.endswith("."), f"{name}.{key}"


def test_example_file_and_page_are_up_to_date() -> None:
    """Written by ``python -m node.tools.config_docs``."""
    assert (ROOT / "deploy" / "osteonode.example.toml").read_text() == example()
    assert (ROOT / "docs" / "configuration.md").read_text() == markdown()


def test_example_file_is_valid_as_it_is_and_with_everything_uncommented() -> None:
    """Every line of it can be used."""
    plain = load_settings(_write(example()))
    lines = [
        line.removeprefix("#") if line.startswith("#") and line[1:2] not in {" ", ""} else line
        for line in example().splitlines()
    ]
    full = load_settings(_write("\n".join(lines)))

    assert plain == load_settings(_write(""))
    assert full.destinations[0].name == "pacs"
    assert full.model_copy(update={"destinations": ()}) == plain

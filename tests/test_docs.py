"""The documents are held to the code: every setting, topic, table and verb is told, and what the README says exists."""

import re
import subprocess
from pathlib import Path
from typing import get_args

import pytest
import typer

from deploy.cli import app
from deploy.settings import Settings
from ingest.codecs.fault import CODES
from ingest.schemas import BY_PEOPLE, SAID
from ingest.topics import KINDS, RETAINED
from twin.alarms.acts import State
from twin.alarms.kinds import STATUS
from twin.observation import Message
from twin.store.tables import Base

ROOT = Path(__file__).parents[1]
SCHEMAS_OF_OTHERS = (*SAID, *BY_PEOPLE)
DOCS = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
VERBS = {name: verb for name, verb in typer.main.get_command(app).commands.items() if not verb.hidden}  # type: ignore[attr-defined]


def told(name: str) -> str:
    return (ROOT / name).read_text()


def table_rows(text: str) -> dict[str, list[str]]:
    """Rows of the tables whose first cell is one word in code."""
    found = re.findall(r"^\| `([^`]+)` \|(.*)\|$", text, flags=re.MULTILINE)
    return {name: [cell.strip() for cell in rest.split("|")] for name, rest in found}


def test_every_setting_is_told_with_its_default() -> None:
    rows = table_rows(told("docs/settings.md"))
    assert list(rows) == list(Settings.model_fields)
    for name, field in Settings.model_fields.items():
        default = rows[name][0].strip("`")
        if name == "data_dir":
            assert default.startswith("var/")
        elif isinstance(field.default, float):
            assert float(default) == field.default, name
        else:
            assert default == ("empty" if field.default in (None, "") else str(field.default)), name


def test_every_kind_of_message_is_told_with_its_schema() -> None:
    rows = table_rows(told("docs/wire.md"))
    for kind in KINDS:
        assert rows[kind][0] == ("yes" if kind in RETAINED else "no"), kind
        assert f"ingest/schemas/{kind}.json" in rows[kind][2]
    for name in Message.model_fields:
        assert f"`{name}`" in told("docs/wire.md"), name


def test_every_kind_of_alert_is_told_with_its_status() -> None:
    rows = re.findall(r"^\| (`[^|]+) \|([^|]+)\|([^|]+)\|", told("docs/alerts.md"), flags=re.MULTILINE)
    found = {}
    for names, _, status in rows:
        kinds, said = re.findall(r"`([^`]+)`", names), [each.strip() for each in status.split(",")]
        found |= dict(zip(kinds, said * len(kinds) if len(said) == 1 else said, strict=False))
    for kind, status in STATUS.items():
        assert found[kind] == status.replace("_", " "), kind
    for state in get_args(State):
        assert f"| `{state}` |" in told("docs/alerts.md")


def test_what_the_twin_and_people_say_is_told_with_its_schema() -> None:
    page = told("docs/alerts.md")
    for kind in SCHEMAS_OF_OTHERS:
        assert f"ingest/schemas/{kind}.json" in page
        assert f"/{kind}`" in page
        assert ("| yes |" in page.split(f"/{kind}` |")[1].split("\n")[0]) == (kind in RETAINED)


def test_every_code_of_a_reject_is_told() -> None:
    told_codes = set(table_rows(told("docs/wire.md").split("## What is not taken")[1]))
    assert told_codes == set(CODES)


def test_every_table_is_told() -> None:
    assert set(table_rows(told("docs/store.md"))) == set(Base.metadata.tables)


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_helps_and_is_told(verb: str) -> None:
    text = VERBS[verb].help or ""
    assert len(text.split()) >= 20, "a person cannot use it"
    assert "./meltwin" in text, "no example"
    assert f"./meltwin {verb}" in told("README.md")


def test_no_document_names_a_verb_that_is_not_there() -> None:
    for document in DOCS:
        for verb in re.findall(r"\./meltwin ([a-z][a-z\-]*)", document.read_text()):
            assert verb in VERBS, f"{document.name}: {verb}"


def test_what_the_readme_runs_is_there_and_runs() -> None:
    readme = told("README.md")
    assert "./meltwin demo" in readme
    assert "./meltwin test" in readme
    assert (ROOT / "meltwin").stat().st_mode & 0o111
    for option in re.findall(r"\./meltwin demo((?: --[a-z\-]+(?: [\w.]+)?)+)", readme):
        names = set(re.findall(r"--[a-z\-]+", option))
        assert names <= {name for parameter in VERBS["demo"].params for name in parameter.opts}


@pytest.mark.parametrize("document", DOCS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(document: Path) -> None:
    for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", document.read_text()):
        assert (document.parent / target).exists(), target


def test_files_that_are_named_are_there() -> None:
    for document in DOCS:
        if document.name in ("CHANGELOG.md", "LOG.md"):
            continue
        for name in re.findall(r"`((?:operators|twin|ingest|ui|deploy|tests|docs)/[\w/.\-]+)`", document.read_text()):
            assert (ROOT / name).exists(), f"{document.name}: {name}"


def test_the_tree_of_the_readme_is_the_tree() -> None:
    """Every tracked package file of the first two levels has its line, and every line its file."""
    block = told("README.md").split("```text\n", 1)[1].split("```", 1)[0]
    lines = re.findall(r"^(\s*)(\S+)\s+(.*)$", block, flags=re.MULTILINE)
    named, folder = set(), ""
    for indent, name, words in lines:
        if not indent:
            folder = name if name.endswith("/") else ""
        named.add(f"{folder}{name}" if indent else name)
        assert 1 <= len(words.split()) <= 8, f"{name}: {words}"
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False).stdout.split()
    if not tracked:
        pytest.skip("not a git checkout")
    for name in named:
        assert (ROOT / name).exists(), name
    packages = ("operators", "twin", "ingest", "ui", "deploy")
    files = {
        "/".join(path.split("/")[:2]) + ("/" if path.count("/") > 1 else "")
        for path in tracked
        if path.split("/")[0] in packages and path.count("/") >= 1 and not path.endswith("__init__.py")
    }
    assert not {f for f in files if f not in named and "assets" not in f}, "not in the README's tree"

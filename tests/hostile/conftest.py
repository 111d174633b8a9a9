"""The corpus, built once for each process that runs tests."""

from pathlib import Path

import pytest
import quick_pilot  # noqa: F401  # once for all tests of the app

from hostile.case import Case
from hostile.corpus import build


class Corpus:
    """All cases, and the folder they are in."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.cases = build(root)
        self._by_id = {case.id: case for case in self.cases}

    def __getitem__(self, id_: str) -> Case:
        return self._by_id[id_]

    def of(self, group: str) -> list[Case]:
        return [case for case in self.cases if case.group == group]


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    return Corpus(tmp_path_factory.mktemp("hostile"))

"""The bundled pair: a small Llama trained on dictionary glosses, then on movie sentences."""

from pathlib import Path


def demo_pair() -> tuple[str, str]:
    """Folders of the base and of its fine-tune."""
    here = Path(__file__).parent
    return str(here / "glosses"), str(here / "movies")


def demo_sentences() -> str:
    """A table of 400 of the movie sentences: `label` and `text`."""
    return str(Path(__file__).parent / "sentences.tsv")

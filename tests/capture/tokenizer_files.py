"""Small tokenizers of the usual kinds, made and saved by the library itself."""

from pathlib import Path

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from tokenizers.trainers import BpeTrainer

_LETTERS = "abcdefghijklmnopqrstuvwxyz"


def word_pieces() -> Tokenizer:
    """As BERT's: lower-cased, accents stripped, `[CLS]` and `[SEP]` around."""
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    pieces = [*special, *_LETTERS, *(f"##{one}" for one in _LETTERS), *".,'!-", "cat", "the"]
    made = Tokenizer(
        models.WordPiece(vocab={piece: at for at, piece in enumerate(pieces)}, unk_token="[UNK]")
    )
    made.normalizer = normalizers.BertNormalizer(lowercase=True)
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    made.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    made.add_special_tokens(special)
    # As sentence encoders save them; neither may act on our texts.
    made.enable_truncation(8)
    made.enable_padding(length=16)
    return made


def byte_pairs(*, trim: bool = True) -> Tokenizer:
    """As GPT-2's: bytes, a space belongs to the token behind it, nothing around."""
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.post_processor = processors.ByteLevel(trim_offsets=trim)
    made.decoder = decoders.ByteLevel()
    trainer = BpeTrainer(
        vocab_size=300,
        special_tokens=["<|end|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    made.train_from_iterator(["the cat sat on the mat", "a cat and the hat"] * 3, trainer)
    return made


def decomposed() -> Tokenizer:
    """As many sentence-piece models: NFD, white space written as a letter."""
    pieces = ["<unk>", "<s>", "▁", *_LETTERS, "\u0301", "▁the", "▁cat"]
    made = Tokenizer(models.Unigram([(piece, -float(at)) for at, piece in enumerate(pieces)], 0))
    made.normalizer = normalizers.Sequence([normalizers.NFD(), normalizers.Lowercase()])
    made.pre_tokenizer = pre_tokenizers.Metaspace()
    made.post_processor = processors.TemplateProcessing(
        single="<s> $A", special_tokens=[("<s>", 1)]
    )
    made.add_special_tokens(["<unk>", "<s>"])
    return made


KINDS = {
    "word pieces": word_pieces,
    "bytes": byte_pairs,
    "bytes, spaces kept": lambda: byte_pairs(trim=False),
    "decomposed": decomposed,
}


def saved(made: Tokenizer, folder: Path) -> Path:
    """Save one where a checkpoint has it; returns the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    made.save(str(folder / "tokenizer.json"))
    return folder

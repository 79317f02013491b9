"""`condition=text`: a caption of the video as the codes of a byte-level BPE, which is trained on the captions or given.

Axes: N windows, c codes of a caption.
"""

import hashlib
import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Int64
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from torch import Tensor

from tats_exp import UserError
from tats_exp.data.videos import Videos
from tats_exp.data.windows import Window
from tats_exp.files import Stage, atomic
from tats_exp.stages.context import RunContext, Work
from tats_exp.transformer.conditions import Prompt, Prompted

FILE = "tokenizer.json"
PAD = "<pad>"
BYTES = 256
"""Codes that any text can be written in, before one is learned."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Captions:
    """Captions of the videos of a split; they stand for themselves in the key of a stage."""

    texts: list[tuple[str, ...]]

    def fingerprint(self) -> str:
        """SHA-256 of all of them, in their order."""
        return hashlib.sha256(json.dumps(self.texts).encode()).hexdigest()


@dataclass(frozen=True)
class TokenizerInputs:
    """What the codes of captions depend on.

    Attributes:
        train: captions that models learn.
        test: captions of the held-out videos; nothing is trained on them.
        vocabulary_size: codes, at most.
        given: content of a tokenizer's file; None: one is trained.
    """

    train: Captions
    test: Captions
    vocabulary_size: int
    given: str | None


def caption_of(videos: Videos, window: Window) -> str:
    """One of the captions of a window's video, of which there are some; which one hangs on the window's place alone."""
    texts = videos.captions[window.video]
    return texts[window.start % len(texts)]


class Text(Prompted):
    """A caption of the window's video, cut off or padded on the right to a fixed length."""

    asks_for_class = True
    takes_text = True
    asks_held_out = True
    drop = 0.1

    def __init__(self, length: int, vocabulary_size: int, tokenizer: str | Path | None = None) -> None:
        """Choose how texts become codes.

        Args:
            length: c, codes of a caption; longer ones are cut off.
            vocabulary_size: C, a code for padding included.
            tokenizer: a `tokenizer.json` of the library tokenizers; None: one is trained on the captions.

        Raises:
            UserError: a number is too small, or the file cannot be read or has more codes.
        """
        if length < 1:
            raise UserError(f"length={length} must be 1 or more")
        if vocabulary_size <= BYTES:
            raise UserError(f"vocabulary_size={vocabulary_size}: allowed: {BYTES + 1} or more, the bytes and a padding")
        self.length, self.vocabulary_size = length, vocabulary_size
        self.given = None if tokenizer is None else _read_given(Path(tokenizer), vocabulary_size)

    def stages(self) -> tuple[Stage[TokenizerInputs, Tokenizer], ...]:
        """The one that trains the tokenizer, or keeps the one that is given."""
        return (TOKENIZER_STAGE,)

    def vocabulary(self, classes: int) -> int:
        """C."""
        return self.vocabulary_size

    def codes(self, videos: Videos, windows: Sequence[Window], made: Mapping[str, Path]) -> Int64[Tensor, "N c"]:
        """Codes of the caption of each window, as `caption_of` chooses it.

        Raises:
            UserError: a video has no caption.
        """
        self.check_videos(videos)
        texts = [caption_of(videos, window) for window in windows]
        return self.encode(_read_tokenizer(None, made[TOKENIZER_STAGE.name]), texts)

    def check_videos(self, videos: Videos) -> None:
        """Refuse videos of which one has no caption."""
        for name, texts in zip(videos.names, videos.captions, strict=True):
            if not texts:
                raise UserError(f"{name} has no caption, which condition=text needs (where they lie: docs/data.md)")

    def check_prompt(self, prompt: Prompt, classes: Sequence[str]) -> None:
        """Refuse what is no text, or an empty one."""
        if not isinstance(prompt, str) or not prompt.strip():
            raise UserError(f"{prompt!r}: allowed with condition=text: a text that is not empty")

    def prompt_codes(self, prompt: Prompt, classes: Sequence[str], made: Mapping[str, Path]) -> Int64[Tensor, " c"]:
        """Codes of the text."""
        return self.encode(_read_tokenizer(None, made[TOKENIZER_STAGE.name]), [str(prompt)])[0]

    def words(self, codes: Int64[Tensor, " c"], classes: Sequence[str], made: Mapping[str, Path]) -> str:
        """The text, as far as it was not cut off."""
        return _read_tokenizer(None, made[TOKENIZER_STAGE.name]).decode(codes.tolist()).strip()

    def encode(self, tokenizer: Tokenizer, texts: Sequence[str]) -> Int64[Tensor, "N c"]:
        """Codes of texts, of the right length; how many are cut off is said in the log."""
        pad = tokenizer.token_to_id(PAD) or 0
        found = [encoding.ids for encoding in tokenizer.encode_batch(list(texts))]
        if cut := sum(len(ids) > self.length for ids in found):
            logger.warning(
                "condition: %d of %d captions are longer than condition.length=%d codes, and cut off",
                cut,
                len(found),
                self.length,
            )
        rows = [ids[: self.length] + [pad] * (self.length - len(ids)) for ids in found]
        return torch.tensor(rows, dtype=torch.int64).reshape(len(rows), self.length)


def _inputs(run: RunContext) -> TokenizerInputs:
    condition = run.condition
    assert isinstance(condition, Text)
    train, test = Captions(run.learned.captions), Captions(run.test.captions)
    return TokenizerInputs(train, test, condition.vocabulary_size, condition.given)


def _make(inputs: TokenizerInputs, work: Work) -> None:
    """Leaves the tokenizer."""
    texts = [text for several in inputs.train.texts for text in several]
    if inputs.given is None and not texts:
        raise UserError("condition=text: the training videos have no captions; see docs/data.md for where they may lie")
    content = _trained(texts, inputs.vocabulary_size).to_str() if inputs.given is None else inputs.given
    with atomic(work.folder / FILE) as temporary:
        temporary.write_text(content, encoding="utf-8")


def _trained(texts: Iterable[str], size: int) -> Tokenizer:
    """A byte-level BPE of texts; its first code is the padding."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=size, special_tokens=[PAD], initial_alphabet=sorted(alphabet), show_progress=False
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def _read_given(path: Path, most: int) -> str:
    """Content of a tokenizer's file, after a look whether it is one."""
    try:
        content = path.read_text(encoding="utf-8")
        tokenizer = Tokenizer.from_str(content)
    except OSError as error:
        raise UserError(f"tokenizer={path}: {error.strerror}") from error
    except Exception as error:  # the library raises an error class of its own
        raise UserError(f"tokenizer={path}: no tokenizer.json of the library tokenizers") from error
    if (size := tokenizer.get_vocab_size()) > most:
        raise UserError(f"tokenizer={path}: has {size} codes; allowed: vocabulary_size={most}, which can be raised")
    if tokenizer.token_to_id(PAD) is None:
        raise UserError(f"tokenizer={path}: has no code {PAD}, with which captions are padded")
    return content


def _read_tokenizer(_config: object, folder: Path) -> Tokenizer:
    """What a finished stage left.

    Raises:
        UserError: the file is damaged.
    """
    try:
        return Tokenizer.from_file(str(folder / FILE))
    except Exception as error:  # the library raises an error class of its own
        raise UserError(f"{folder / FILE} cannot be read; delete its folder to make it again") from error


TOKENIZER_STAGE = Stage("tokenizer", 1, _inputs, _make, _read_tokenizer)

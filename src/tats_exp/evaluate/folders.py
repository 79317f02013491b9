"""The folders that an evaluation opens: what is wrong with them, and what a reader has to know of them."""

from tqdm import tqdm

from tats_exp import UserError
from tats_exp.data.video_folder import VideoFolder
from tats_exp.evaluate.config import EvaluateConfig

NAMED = 4  # of what is wrong, in the one line about it


def several(wrong: list[str]) -> str:
    """One line about all that is wrong: how much, and the first few."""
    wrong = list(dict.fromkeys(wrong))
    if len(wrong) == 1:
        return wrong[0]
    rest = len(wrong) - NAMED
    return f"{len(wrong)} things are wrong: {'; '.join(wrong[:NAMED])}" + (f"; and {rest} more" if rest > 0 else "")


def open_folder(side: str, folder: str, config: EvaluateConfig, frame_stride: int) -> VideoFolder:
    """Open a folder of videos, with a bar if that takes long.

    Raises:
        UserError: there is nothing in it that can be measured; names the side.
    """
    with tqdm(desc=f"opening {side}", unit="file", delay=2, disable=None) as bar:

        def progress(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        try:
            return VideoFolder(folder, config.resolution, frame_stride, config.frames, progress, config.limits)
        except ValueError as error:
            raise UserError(f"{side}: {error}") from None


def unfit(side: str, folder: str, videos: VideoFolder, size: tuple[int, int], frames: int) -> list[str]:
    """Why videos that a model made cannot be measured; what is bad is not left out: it is part of what was made.

    Args:
        side: generated or rebuilt.
        folder: as it was named.
        videos: in it.
        size: height and width of real frames.
        frames: of a window.
    """
    wrong, of = [], f"{side}: {folder}"
    if videos.unreadable:
        wrong.append(f"{of}: {len(videos.unreadable)} files cannot be read, first {videos.unreadable[0]}")
    if videos.too_short:
        short = f"{len(videos.too_short)} videos have fewer than {frames} frames"
        wrong.append(f"{of}: {short}, first {videos.too_short[0]}")
    if videos.size != size:
        sizes = [f"{height}x{width}" for height, width in (size, videos.size)]
        differ = f"frames of real are {sizes[0]}, of {side} {sizes[1]}"
        wrong.append(f"{of}: {differ}: resolution=N brings both to N x N")
    return wrong


def reading_notes(real: VideoFolder, generated: VideoFolder, frames: int) -> list[str]:
    """What to say of how videos are stored, one line each."""
    notes = [*_codec_notes(real, generated), *_length_notes(generated, frames)]
    return [*notes, *_gif_notes("real", real), *_gif_notes("generated", generated)]


def _codec_notes(real: VideoFolder, generated: VideoFolder) -> list[str]:
    """What to say where one side went through a codec that the other did not."""
    if real.codec == generated.codec:
        return []
    return [
        f"real videos were stored as {real.codec}, generated ones as {generated.codec}: what a codec does to pixels is "
        "part of every distance"
    ]


def _length_notes(generated: VideoFolder, frames: int) -> list[str]:
    """What to say where generated videos differ in how many windows they have."""
    shortest, longest = min(generated.lengths), max(generated.lengths)
    if shortest // frames == longest // frames:
        return []
    name = generated.names[generated.lengths.index(shortest)]
    return [
        f"all generated videos were measured up to window {shortest // frames - 1}, where {name} ends: "
        f"it has {shortest} frames, the longest has {longest}"
    ]


def _gif_notes(side: str, videos: VideoFolder) -> list[str]:
    """What to say of GIFs whose pictures are not all shown for as long as each other."""
    notes = []
    if videos.stretched:
        notes.append(
            f"{len(videos.stretched)} {side} GIFs have more frames than pictures, since some pictures are shown longer "
            f"than most are, first {videos.stretched[0]}"
        )
    if videos.pauses:
        notes.append(
            f"{len(videos.pauses)} {side} GIFs end in a picture that is shown longer than any other, and counts as "
            f"that many frames, first {videos.pauses[0]}: if it is a pause before they begin again, store them without"
        )
    return notes

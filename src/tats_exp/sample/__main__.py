"""`python -m tats_exp.sample run=DIR out=FILE frames=N`: one video from a finished run, of any length.

Samples as the run does, the same as `load_run(DIR).sample(1, N, seed=S)`, and writes the frames while they are made.
"""

import sys
import threading

from tats_exp import UserError
from tats_exp.cli import path_of
from tats_exp.config.command import chosen_device, command, read_config
from tats_exp.sample.config import SampleConfig, as_typed, check_out, read_story


def run(overrides: list[str]) -> None:
    """Make the video that the keys ask for.

    Raises:
        UserError: a key, the run, what is given or what is asked for is not what it should be; one line.
    """
    config = read_config("sample", [as_typed(line) for line in overrides], SampleConfig)
    config.check_asked()
    wanted, out = config.wanted, check_out(config.out)
    story = None if config.story is None else read_story(config.story)
    from tats_exp.config.build import blamed_on  # torch comes with these
    from tats_exp.data.video_writer import SHOWN_HEIGHT, LiveVideoWriter, VideoWriter
    from tats_exp.run.beginnings import Asked
    from tats_exp.run.load_run import load_run
    from tats_exp.sample.asked import condition_of, frame_rate
    from tats_exp.sample.given import read_given
    from tats_exp.sample.streaming import asked_to_stop, stream
    from tats_exp.stages.sounding import sound_from

    device = chosen_device(config.device)
    with blamed_on("run", kinds=UserError):
        loaded = load_run(config.run, str(device))
        vqgan = loaded.vqgan()
        sampler = loaded.sampler(vqgan)
    sampler.check(wanted)
    given = None
    if config.given is not None:
        count = config.given_frames or loaded.config.sampling.given_frames or loaded.config.frames
        sampler.check_given(count)
        given = read_given(loaded.config, config.given, count, config.given_start)[None]
    asked = Asked(condition_of(loaded, config), story, config.audio, given)
    beginning = loaded.beginning(sampler, 1, wanted, asked, config.seed)
    track = None
    if beginning.heard:
        videos, place = beginning.heard[0]
        track = sound_from(videos, place.video, place.start)
        if config.audio is None:
            print(f"with the sound of {videos.names[place.video]}; audio=FILE takes another")
    scale = max(1, SHOWN_HEIGHT // loaded.config.resolution)
    fps = frame_rate(loaded) if track is None else track.fps
    how = (sampler, beginning, wanted)
    with path_of("out", out):
        if wanted is None:
            with asked_to_stop() as stop, LiveVideoWriter(out, fps, scale, track) as live:
                spent = stream(*how, live.write, stop, device)
        else:
            with VideoWriter(out, fps, scale, track) as writer:
                spent = stream(*how, writer.write, threading.Event(), device)
    if not spent.frames:
        raise KeyboardInterrupt
    print(f"{out}, to be played at {fps:g} frames a second: {spent}")


def main(arguments: list[str] | None = None) -> int:
    """Make the video that the command line asks for; arguments and exit code as `command`."""
    return command("sample", __doc__, run, arguments)


if __name__ == "__main__":
    sys.exit(main())

"""What a stage says about what it was given."""

from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir

from tats_exp.config.check import check
from tats_exp.config.schema import conf_dir
from tats_exp.progress import Progress
from tats_exp.stages.parts import Parts
from tats_exp.stages.stages import make_vqgan


@pytest.mark.parametrize("codes, told", [(128, 0), (129, 1)])
def test_a_first_batch_too_small_for_the_codebook_is_told(
    codes: int, told: int, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    options = ["scale=smoke", "trainer=cpu", "vqgan.training.steps=1"]
    with initialize_config_dir(str(conf_dir()), version_base="1.3"):
        config = check(compose("config", overrides=[*options, f"vqgan.sizes.codes={codes}"]))
    make_vqgan(Parts(config, Progress(tmp_path, "")), tmp_path, lambda step, values: None)
    lines = [record.message for record in caplog.records if "noisy copies" in record.message]
    assert len(lines) == told
    assert not told or "129 codes begin from the 128 latents of the first batch" in lines[0]

"""What the training of the VQGAN says about what it was given."""

from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir

from tats_exp.config.check import check
from tats_exp.config.schema import conf_dir
from tats_exp.stages.context import RunContext
from tats_exp.stages.vqgan import VQGAN_STAGE


@pytest.mark.parametrize("codes, told", [(128, 0), (129, 1)])
def test_a_first_batch_too_small_for_the_codebook_is_told(
    codes: int, told: int, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    options = ["scale=smoke", "trainer=cpu", "vqgan.training.steps=1"]
    with initialize_config_dir(str(conf_dir()), version_base="1.3"):
        config = check(compose("config", overrides=[*options, f"vqgan.sizes.codes={codes}"]))
    run = RunContext(config)
    work = run.work(tmp_path, lambda done, total: None, lambda step, values: None)
    VQGAN_STAGE.make(VQGAN_STAGE.inputs(run), work)
    lines = [record.message for record in caplog.records if "noisy copies" in record.message]
    assert len(lines) == told
    assert not told or "129 codes begin from the 128 latents of the first batch" in lines[0]

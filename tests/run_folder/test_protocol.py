import json
from dataclasses import replace

import pytest

from tats_exp.run_folder import Protocol, same_protocol

ONE = Protocol(
    features="shapes_cnn",
    checksum="ab12",
    precision="fp32",
    classifier="shapes_cnn ab12",
    n_real=128,
    n_generated=128,
    repeats=1,
    reference="real",
    split="train",
    clip_length=16,
    windows=3,
    frame_stride=1,
    resolution="16x16",
    resize_real="none",
    resize_generated="none",
    codec_real="none",
    codec_generated="h264",
    decoder_real="pyav 18",
    decoder_generated="pyav 18",
    data="cd34",
    seed=0,
)


def test_survives_json() -> None:
    assert Protocol.from_dict(json.loads(json.dumps(ONE.as_dict()))) == ONE


def test_fields_of_another_version_are_refused_in_one_line() -> None:
    old = ONE.as_dict()
    del old["repeats"], old["codec_generated"]
    with pytest.raises(ValueError, match="protocol lacks repeats, codec_generated") as error:
        Protocol.from_dict(old)
    assert "\n" not in str(error.value)
    with pytest.raises(ValueError, match="lacks repeats, codec_generated and has codec"):
        Protocol.from_dict({**old, "codec": "none"})


def test_differences_names_every_field_that_differs() -> None:
    for name, value in ONE.as_dict().items():
        other = replace(ONE, **{name: f"{value}x" if isinstance(value, str) else value + 1})
        assert ONE.differences(other) == [name]
    assert ONE.differences(replace(ONE, seed=1, codec_real="h264")) == ["codec_real", "seed"]
    assert ONE.differences(replace(ONE)) == []


def test_equal_protocols_pass() -> None:
    same_protocol([])
    same_protocol([ONE])
    same_protocol(iter([ONE, replace(ONE), ONE]))


def test_different_protocols_are_refused_in_one_line() -> None:
    protocols = [ONE, replace(ONE, n_real=64), replace(ONE, split="test"), replace(ONE, n_real=32)]
    with pytest.raises(ValueError, match=r"n_real: 128, 64, 32; split: train, test") as error:
        same_protocol(protocols)
    assert "\n" not in str(error.value)
    assert "checksum" not in str(error.value)

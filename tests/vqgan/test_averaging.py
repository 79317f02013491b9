"""The average of the weights is the one that was asked for; what is no weight is always the newest."""

import torch

from tats_exp.vqgan.averaging import moving_average
from tests.vqgan.models import small_vqgan


def test_weights_trail_and_buffers_follow() -> None:
    model = small_vqgan()
    average, expected = moving_average(model, decay=0.5), [p.clone() for p in model.parameters()]
    for step in range(1, 21):
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(torch.randn(parameter.shape, generator=torch.Generator().manual_seed(step)))
            for buffer in model.buffers():
                buffer.copy_(torch.full(buffer.shape, step))
        average.update_parameters(model)
        decay = min(0.5, (1 + step) / (10 + step))
        expected = [decay * e + (1 - decay) * p for e, p in zip(expected, model.parameters(), strict=True)]
    for kept, wanted in zip(average.module.parameters(), expected, strict=True):
        torch.testing.assert_close(kept.detach(), wanted.detach())
    for name, buffer in average.module.named_buffers():
        assert torch.equal(buffer, model.get_buffer(name)), name


def test_an_average_that_forgets_at_once_is_the_model_and_takes_no_gradient() -> None:
    model = small_vqgan()
    average = moving_average(model, decay=0.0)
    with torch.no_grad():
        model.encoder.conv_first.conv.weight.add_(1)
    average.update_parameters(model)
    assert torch.equal(average.module.encoder.conv_first.conv.weight, model.encoder.conv_first.conv.weight)
    assert not any(parameter.requires_grad for parameter in average.module.parameters())
    assert all(parameter.requires_grad for parameter in model.parameters())

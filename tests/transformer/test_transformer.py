"""Parity with the original, causality by gradient, and reading step by step against reading at once."""

import json
import os
from pathlib import Path

import pytest
import torch

from tats_exp.transformer import Cache, Transformer, attention_mask
from tats_exp.transformer.attention import _one_query

GOLDEN = json.loads((Path(__file__).parents[1] / "golden.json").read_text())


def small(mask="causal", condition_codes=3, condition_length=2, window=(4, 2, 2)) -> Transformer:
    torch.manual_seed(0)
    model = Transformer(condition_codes, 10, window, 2, 2, 16, mask=mask, condition_length=condition_length)
    for parameter in model.parameters():  # Far from the small initial weights, where all rows would look alike.
        torch.nn.init.normal_(parameter, std=0.4)
    return model.eval()


def batch(model: Transformer, size=3) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    condition = torch.randint(max(model.condition_codes, 1), (size, model.condition_length), generator=generator)
    return condition, torch.randint(model.video_codes, (size, model.window_codes), generator=generator)


def with_formula_weights(model: Transformer) -> Transformer:
    """The weights that the recorded numbers were made with: position i in the sorted state dict enters the formula."""
    state = model.state_dict()
    for i, (name, tensor) in enumerate(sorted(state.items())):
        n = torch.arange(tensor.numel(), dtype=torch.float64)
        w = torch.sin(n * 12.9898 + i * 78.233) * 43758.5453
        w = w - w.floor()
        if name.endswith("bias"):
            values = (w - 0.5) * 0.2
        elif tensor.dim() == 1:
            values = 0.75 + 0.5 * w
        else:
            values = (w - 0.5) * 2 * (3 / (tensor.numel() / tensor.shape[0])) ** 0.5
        state[name] = values.reshape(tensor.shape).to(tensor.dtype)
    model.load_state_dict(state)
    return model.eval()


def golden_model(name: str, window: tuple[int, int, int], mask: str) -> tuple[Transformer, dict]:
    golden = GOLDEN[name]
    config = golden["config"]
    model = Transformer(
        config["condition_codes"],
        config["video_codes"],
        window,
        config["n_layer"],
        config["n_head"],
        config["n_embd"],
        mask,
    )
    assert model.window_codes == config["window"]
    return with_formula_weights(model), golden


@pytest.mark.parametrize(
    "name, window, mask",
    [("transformer_causal_label", (3, 4, 4), "causal"), ("transformer_mask_c", (5, 3, 3), "c")],
)
def test_logits_equal_the_recorded_ones_of_the_original(name, window, mask):
    model, golden = golden_model(name, window, mask)
    n = torch.arange(model.window_codes)
    codes = ((7 * n + 3 * n**2) % model.video_codes)[None]
    logits = model.logits(torch.tensor([golden["condition"]]), codes)
    assert list(logits.shape) == golden["logits_shape"]
    flat = logits.flatten()
    sampled = flat[:: flat.numel() // 64][:64]
    torch.testing.assert_close(sampled, torch.tensor(golden["logits"]), atol=1e-4, rtol=0)


@pytest.mark.skipif("TATS_EXP_REFERENCE" not in os.environ, reason="TATS_EXP_REFERENCE is not set")
@pytest.mark.parametrize(
    "name, condition_codes, window, mask",
    [("gpt_ar_label", 8, (4, 4, 4), "causal"), ("gpt_interp_mask_c", 0, (5, 4, 4), "c")],
)
def test_logits_equal_those_of_the_reference_checkpoints(name, condition_codes, window, mask):
    folder = Path(os.environ["TATS_EXP_REFERENCE"])
    state = torch.load(folder / f"{name}.ckpt", weights_only=False, map_location="cpu")["state_dict"]
    recorded = torch.load(folder / f"{name}.io.pt", weights_only=True)
    model = Transformer(condition_codes, 48, window, 2, 2, 32, mask)
    model.load_state_dict({k.removeprefix("transformer."): v for k, v in state.items() if not k.endswith("attn.mask")})
    logits = model.logits(recorded["cond"], recorded["codes"])
    torch.testing.assert_close(logits, recorded["logits"], atol=1e-4, rtol=0)


@pytest.mark.parametrize("mask", ["causal", "a", "b", "c"])
def test_gradient_reaches_exactly_the_tokens_that_the_mask_lets_through(mask):
    model = small(mask)
    condition, codes = batch(model, size=1)
    inputs = {}
    model.tok_emb.register_forward_hook(lambda _module, _args, out: inputs.update(x=out) or out.retain_grad())
    logits = model.logits(condition, codes)
    visible = attention_mask(mask, model.condition_length, model.window)
    # What two layers let through: the mask after itself.
    reachable = (visible.float() @ visible.float()) > 0
    for n in range(model.window_codes):
        gradient = torch.autograd.grad(logits[0, n].square().sum(), inputs["x"], retain_graph=True)[0]
        touched = gradient[0].abs().sum(dim=-1) > 0
        assert torch.equal(touched, reachable[model.condition_length - 1 + n]), n


def test_mask_b_leaks_the_future_and_masks_a_and_c_do_not():
    window, frame = (4, 2, 2), 4
    for mask, leaks in (("a", False), ("b", True), ("c", False)):
        model = small(mask, window=window)
        condition, codes = batch(model)
        changed = codes.clone()
        changed[:, 2 * frame] = (changed[:, 2 * frame] + 1) % model.video_codes
        earlier = slice(frame, 2 * frame + 1)
        difference = (model.logits(condition, codes) - model.logits(condition, changed))[:, earlier].abs().max()
        assert (difference > 1e-3) == leaks, (mask, difference)


def test_the_beginning_of_a_window_scores_the_same_without_the_rest():
    model = small()
    condition, codes = batch(model)
    whole = model.logits(condition, codes)
    for length in range(1, model.window_codes + 1):
        torch.testing.assert_close(model.logits(condition, codes[:, :length]), whole[:, :length], atol=1e-5, rtol=0)


@pytest.mark.parametrize("joined_up_to", [0, 256])
@pytest.mark.parametrize("prefix", [0, 1, 4, 7, 15])
def test_step_by_step_equals_at_once_at_every_position(prefix, joined_up_to, monkeypatch):
    monkeypatch.setattr("tats_exp.transformer.attention.JOINED_MOST_WIDTH", joined_up_to)
    model = small()
    condition, codes = batch(model)
    tokens = torch.cat([condition, codes + model.condition_codes], dim=1)
    whole = model.logits(condition, codes)
    cache = model.new_cache(3, tokens.shape[1])
    start = model.condition_length + prefix
    torch.testing.assert_close(model.prefill(tokens[:, :start], cache=cache), whole[:, prefix], atol=1e-5, rtol=0)
    for n in range(prefix + 1, model.window_codes):
        position = model.condition_length + n - 1
        torch.testing.assert_close(model.step(tokens[:, position], position, cache), whole[:, n], atol=1e-5, rtol=0)


@pytest.mark.parametrize("mask", ["a", "c"])
def test_step_by_step_between_anchors_equals_at_once(mask):
    model = small(mask)
    condition, codes = batch(model)
    tokens = torch.cat([condition, codes + model.condition_codes], dim=1)[:, :-1]
    whole = model.logits(condition, codes)
    first_between, last_anchor = model.condition_length + 4, model.condition_length + 12
    positions = torch.cat([torch.arange(last_anchor, tokens.shape[1]), torch.arange(first_between)])
    if mask == "a":
        positions = torch.arange(first_between)
    cache = model.new_cache(3, tokens.shape[1])
    rows = [model.prefill(tokens[:, positions], positions, cache)]
    rows += [model.step(tokens[:, p], p, cache) for p in range(first_between, last_anchor - 1)]
    torch.testing.assert_close(torch.stack(rows, dim=1), whole[:, 4:12], atol=1e-5, rtol=0)


@pytest.mark.parametrize("width", [16, 264])
@pytest.mark.parametrize("mask", ["causal", "a", "c"])
def test_steps_in_place_equal_steps(mask, width):
    """What is captured on CUDA, whose cache has room to spare and is filled by index."""
    torch.manual_seed(0)
    model = Transformer(3, 8, (4, 2, 2), layers=2, heads=2, width=width, mask=mask).eval()
    known, cache, roomy = torch.randint(11, (3, 5)), model.new_cache(3, 9), model.new_cache(3, 16)
    roomy.kept.zero_()
    positions = None if mask == "causal" else torch.tensor([14, 15, 0, 1, 2])
    start = 5 if mask == "causal" else 3
    with torch.no_grad():
        assert torch.equal(model.prefill(known, positions, cache), model.prefill(known, positions, roomy))
        static = Cache(roomy.kept, roomy.projections, slot=torch.tensor([5]))
        for step in range(4):
            token, position = torch.randint(11, (3,)), start + step
            found = model.step_in_place(token, torch.tensor([position]), static)
            torch.testing.assert_close(found, model.step(token, position, cache), atol=1e-6, rtol=1e-5)
            static.slot += 1
    assert torch.equal(roomy.kept[:, :, :, :, 9:], torch.zeros_like(roomy.kept[:, :, :, :, 9:]))


@pytest.mark.parametrize("masked", [False, True])
def test_attention_of_one_token_by_products_is_that_of_the_kernel(masked):
    torch.manual_seed(0)
    query, (key, value) = torch.randn(2, 3, 1, 8), torch.randn(2, 2, 3, 11, 8)
    visible = torch.arange(11)[None] <= 6 if masked else None
    expected = torch.nn.functional.scaled_dot_product_attention(query, key, value, attn_mask=visible)
    torch.testing.assert_close(_one_query(query, key, value, visible), expected)


def test_video_codes_come_after_condition_codes_and_the_start_code_shares_code_zero():
    for condition_codes, condition, rows in ((3, [1, 2], [1, 2, 8]), (0, [0], [0, 5])):
        model = small(condition_codes=condition_codes, condition_length=len(condition))
        model.logits(torch.tensor([condition]), torch.full((1, 16), 5)).square().sum().backward()
        assert model.tok_emb.weight.grad.abs().sum(dim=1).nonzero().flatten().tolist() == rows


def test_size_of_the_paper():
    with torch.device("meta"):
        model = Transformer(0, 16384, (4, 16, 16), 24, 16, 1024)
    assert sum(p.numel() for p in model.parameters()) == pytest.approx(336e6, rel=0.01)


@pytest.mark.parametrize("mask", ["causal", "c"])
def test_a_training_step_runs_on_the_meta_device(mask):
    with torch.device("meta"):
        model = Transformer(0, 10, (4, 2, 2), 1, 2, 16, mask=mask)
        model(torch.zeros(2, 1, dtype=torch.int64), torch.zeros(2, 16, dtype=torch.int64)).sum().backward()
    assert model.pos_emb.grad is not None and model.pos_emb.grad.is_meta


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"width": 10, "heads": 4}, "width=10 must be a multiple of heads=4"),
        ({"layers": 0}, "layers=0 must be at least 1"),
        ({"condition_codes": -1}, "condition_codes=-1"),
        ({"condition_codes": 0, "condition_length": 3}, "condition_length=3 must be 1"),
        ({"mask": "c", "window": (2, 2, 2)}, "mask='c' needs a window of at least 3 latent frames"),
    ],
)
def test_impossible_models_are_refused_in_one_line(changes, message):
    arguments = {"condition_codes": 2, "video_codes": 4, "window": (4, 2, 2), "layers": 1, "heads": 2, "width": 8}
    with pytest.raises(ValueError, match=message) as error:
        Transformer(**(arguments | changes))
    assert "\n" not in str(error.value)


def test_windows_of_another_length_are_refused():
    causal, interpolating = small(), small("c")
    condition, codes = batch(causal)
    with pytest.raises(ValueError, match="window takes 1 to 16"):
        causal.logits(condition, torch.cat([codes, codes[:, :1]], dim=1))
    with pytest.raises(ValueError, match="takes a whole window: 16"):
        interpolating.logits(condition, codes[:, :8])
    with pytest.raises(ValueError, match="this transformer takes 2"):
        causal.logits(condition[:, :1], codes)


@pytest.mark.parametrize("mask", ["causal", "c"])
@torch.no_grad()
def test_steps_in_half_precision_are_the_full_pass_but_for_rounding(mask):
    """Steps have a formula of their own there; a full pass in half precision errs as much."""
    model = small(mask)
    condition, codes = batch(model)
    whole = model.logits(condition, codes)
    halved = small(mask).to(torch.bfloat16)
    tokens = torch.cat([condition, codes + model.condition_codes], dim=1)
    begun, anchor = model.condition_length + 4, model.condition_length + 12
    positions = torch.arange(begun)
    if mask == "c":
        positions = torch.cat([torch.arange(anchor, tokens.shape[1] - 1), positions])
    cache = halved.new_cache(3, tokens.shape[1])
    rows = [halved.prefill(tokens[:, positions], positions, cache)]
    rows += [halved.step(tokens[:, p], p, cache) for p in range(begun, anchor - 1)]
    stepped = torch.stack(rows, dim=1).float()
    error = (stepped - whole[:, 4:12]).abs()
    at_once = (halved.logits(condition, codes)[:, 4:12].float() - whole[:, 4:12]).abs()
    assert error.mean() < 2 * at_once.mean() < 0.1 * whole.std()

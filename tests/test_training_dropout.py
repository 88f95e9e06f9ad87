"""Dropout on the CPU: drops what it should, is torch's where it drops nothing, and repeats itself."""

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

import torch
from torch import nn
from torch.nn import functional

from una_fast.training import dropout
from una_fast.training.dropout import FastDropout


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_as_many_are_dropped_as_asked_for_and_the_rest_makes_up_for_them(p: float) -> None:
    torch.manual_seed(1)
    ones = torch.ones(1001, 997, requires_grad=True)  # no multiple of four
    with FastDropout():
        made = nn.Dropout(p)(ones)
    zeros = (made == 0).double().mean().item()
    assert zeros == pytest.approx(p, abs=5 * (p * (1 - p) / made.numel()) ** 0.5)
    kept = 1 - round(p * 65536) / 65536
    assert made.detach().unique().tolist() == pytest.approx([0.0, 1 / kept])
    made.sum().backward()
    assert torch.equal(ones.grad, made.detach())
    neighbours = (made[:, 1:] == 0) & (made[:, :-1] == 0)
    assert neighbours.double().mean().item() == pytest.approx(p * p, abs=0.002), "each for itself"


def test_it_draws_from_the_generator_of_torch() -> None:
    x = torch.ones(50, 50)
    drawn = []
    for seed in (3, 3, 4):
        torch.manual_seed(seed)
        with FastDropout():
            drawn.append(functional.dropout(x, 0.3))
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])


def test_what_drops_nothing_is_torchs_own() -> None:
    x = torch.randn(4, 5)
    whole = torch.ones(4, 5, dtype=torch.int64)
    with FastDropout():
        assert torch.equal(functional.dropout(x, 0.0), x)
        assert torch.equal(functional.dropout(x, 0.5, training=False), x)
        assert torch.equal(functional.dropout(x, 1.0), torch.zeros(4, 5))
        assert nn.Dropout(0.5).eval()(x) is x
        with pytest.raises(RuntimeError):
            functional.dropout(whole, 0.5)
    assert (functional.dropout(torch.ones(9999), 0.5) == 0).any(), "and outside all is as it was"


@pytest.mark.parametrize("kind", ["none", "bool", "float"])
def test_attention_is_that_of_torch_with_its_weights_dropped(kind: str) -> None:
    torch.manual_seed(2)
    query, key, value = (torch.randn(4, 3, 7, 8, requires_grad=True) for _ in range(3))
    mask = torch.rand(4, 1, 1, 7) > 0.3
    mask[..., 0] = True
    given = {"none": None, "bool": mask, "float": torch.randn(4, 1, 7, 7)}[kind]
    expected = functional.scaled_dot_product_attention(query, key, value, given, scale=0.4)
    with FastDropout():
        torch.testing.assert_close(
            functional.scaled_dot_product_attention(query, key, value, given, scale=0.4), expected
        )
        torch.testing.assert_close(  # by the formula, with next to nothing dropped
            functional.scaled_dot_product_attention(query, key, value, given, 1e-6, scale=0.4), expected
        )
        torch.manual_seed(5)
        found = functional.scaled_dot_product_attention(query, key, value, given, 0.25, scale=0.4)
    scores = query @ key.transpose(-1, -2) * 0.4
    if kind == "bool":
        scores = scores.masked_fill(~mask, float("-inf"))
    elif given is not None:
        scores = scores + given
    torch.manual_seed(5)
    weights = scores.softmax(-1)
    torch.testing.assert_close(found, (weights * dropout._factors(weights, 1 << 14)) @ value)


def test_a_text_without_a_token_is_a_number() -> None:
    query = torch.randn(1, 1, 2, 4)
    nothing = torch.zeros(1, 1, 1, 2, dtype=torch.bool)
    with FastDropout():
        made = functional.scaled_dot_product_attention(query, query, query, nothing, 0.1)
    assert made.isfinite().all()


def test_causal_attention_is_left_to_torch() -> None:
    query = torch.randn(1, 1, 6, 4)
    torch.manual_seed(7)
    expected = functional.scaled_dot_product_attention(query, query, query, dropout_p=0.5, is_causal=True)
    torch.manual_seed(7)
    with FastDropout():
        made = functional.scaled_dot_product_attention(query, query, query, dropout_p=0.5, is_causal=True)
    assert torch.equal(made, expected)

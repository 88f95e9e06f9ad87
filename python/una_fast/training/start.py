"""What a start can be trained for, tried on two equal texts before the first step."""

import warnings

import torch
from torch import nn
from transformers import PreTrainedTokenizerBase

from una_fast.encoder.backbone import input_names, tokenise
from una_fast.encoder.encoder import ELSEWHERE, declared_pooling
from una_fast.encoder.hub_files import default_prompt, text_settings
from una_fast.encoder.static import StaticBackbone
from una_fast.encoder.token_weights import declared_weights
from una_fast.errors import OptionError
from una_fast.train_config import TrainConfig, TrainingPooling
from una_fast.training.model import SentenceEncoder

__all__ = ["check_declared", "check_start", "lacks_weights", "trained_pooling"]


def trained_pooling(config: TrainConfig) -> TrainingPooling:
    """The pooling of a run: the one asked for, or else that of the start, or else the published one.

    Raises:
        OptionError: The start pools, or goes on after pooling, as training does not.
    """
    if config.pooling != "auto":
        return config.pooling
    try:
        return declared_pooling(str(config.model)) or "cls_mlp"
    except OptionError as error:
        told = str(error).removesuffix(f": {ELSEWHERE}")
        raise OptionError(
            f'{told}; pooling="cls" or "mean", given by name, trains the transformer alone'
        ) from error


def lacks_weights(config: TrainConfig) -> bool:
    """True where tokens are to be weighted, and the start does not say how: the table does."""
    return config.pooling == "idf_mean" and declared_weights(str(config.model)) is None


def check_declared(config: TrainConfig) -> None:
    """Refuse a start whose folder asks for texts to be changed first, which training does not do.

    Raises:
        OptionError: It has a default prompt, or lowers the case of texts before its tokenizer does.
    """
    name = str(config.model)
    prompt = default_prompt(name)
    if prompt:
        raise OptionError(
            f"model {name!r} puts the prompt {prompt!r} before every text, and training does not: put it before the "
            "sentences of the corpus, and set default_prompt_name to null in config_sentence_transformers.json"
        )
    if text_settings(name).get("do_lower_case"):
        raise OptionError(
            f"model {name!r} lowers the case of texts (do_lower_case), and training does not: lower that of the "
            "corpus, and set do_lower_case to false"
        )


def check_start(
    config: TrainConfig, model: SentenceEncoder, tokenizer: PreTrainedTokenizerBase, *, paired: bool
) -> None:
    """Try a step without taking it: weights that no embedding depends on are frozen.

    Processes that share gradients wait for those of every weight that is not.

    Args:
        config: Its model, dropout and max_length.
        model: On its device; its random state and gradients are as before, afterwards.
        tokenizer: Of the model.
        paired: Whether a positive is another text than its sentence.

    Raises:
        OptionError: The model cannot embed texts alone; or it has no dropout, where dropout alone tells a sentence
            from its positive.
    """
    name, device = str(config.model), next(model.parameters()).device
    inputs = tokenise(tokenizer, ["a", "a"], max_length=config.max_length, names=input_names(model.backbone))
    devices = [device] if device.type == "cuda" else []
    was_training = model.training
    with torch.random.fork_rng(devices=devices), torch.enable_grad():
        model.train()
        try:
            vectors = model({key: value.to(device) for key, value in inputs.items()})
            vectors.float().square().sum().backward()
        except Exception as error:
            raise OptionError(
                f"model {name!r} ({model.backbone.config.model_type}) cannot be trained on texts alone: "
                f"{type(error).__name__}: {error}"
            ) from error
    model.train(was_training)
    _freeze_unused(model)
    if isinstance(model.backbone, StaticBackbone):
        paired = (
            paired or model.backbone.config.token_dropout > 0
        )  # which drops neither of two tokens, mostly
    if not paired and torch.equal(vectors[0], vectors[1]):
        _refuse_equal_views(config, name)


def _freeze_unused(model: nn.Module) -> None:
    for weight in model.parameters():
        if weight.grad is None:
            weight.requires_grad_(False)
        weight.grad = None


def _refuse_equal_views(config: TrainConfig, name: str) -> None:
    if config.dropout == 0.0:  # asked for, by name
        warnings.warn("dropout is 0: a sentence and its positive are one vector", stacklevel=2)
        return
    raise OptionError(
        f"model {name!r} has no dropout, so that a sentence and its positive would be one vector: give dropout=0.1 "
        "(--dropout 0.1), or paraphrases; dropout=0.0 says that it is meant"
    )

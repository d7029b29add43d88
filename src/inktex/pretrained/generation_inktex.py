"""Generation, with the probability of what was generated."""

from typing import Any

import torch

LENGTHS = ("max_length", "max_new_tokens", "generation_config")
UNSET_LENGTHS = (None, 20)
"""What transformers has as `max_length` where nobody set it."""


@torch.no_grad()
def generate_with_probabilities(
    model: Any, inputs: dict[str, torch.Tensor], **generate_kwargs: Any
) -> tuple[torch.Tensor, torch.Tensor]:
    """Read pictures.

    The pictures are encoded once, for the search and for the probabilities.

    Args:
        model: an `InktexForConditionalGeneration`.
        inputs: `pixel_values` and `pixel_mask`, as the processor gives them; they are brought to
            the model's device and dtype.
        generate_kwargs: of `generate`: `num_beams`, `num_return_sequences`, `max_new_tokens` ...

    Returns:
        The sequences, `(pictures * num_return_sequences, tokens)`, and their probabilities,
        float32 in 0..1: the product of the probabilities that the model itself (no temperature,
        no length penalty) gives to the tokens, the end included. It is not normalised by length,
        because it says how likely the whole expression is right.
    """
    is_unset = model.generation_config.max_length in UNSET_LENGTHS
    if is_unset and not any(name in generate_kwargs for name in LENGTHS):
        generate_kwargs["max_length"] = model.config.decoder.max_position_embeddings
    pixel_values = inputs["pixel_values"].to(model.device, model.dtype)
    pixel_mask = inputs["pixel_mask"].to(model.device)
    memory = model.get_encoder()(pixel_values, pixel_mask)
    # A copy, since beam search multiplies the one that it gets.
    sequences = model.generate(encoder_outputs=type(memory)(**memory), **generate_kwargs)
    if not isinstance(sequences, torch.Tensor):  # return_dict_in_generate
        sequences = sequences.sequences
    return sequences, sequence_probabilities(model, memory, sequences)


@torch.no_grad()
def sequence_probabilities(model: Any, memory: Any, sequences: torch.Tensor) -> torch.Tensor:
    """Probability of each sequence, given what the encoder made of its picture.

    Args:
        model: an `InktexForConditionalGeneration`.
        memory: what its encoder gave for a batch of pictures.
        sequences: `(batch, tokens)`, from the start token on; `batch` is that of the pictures or
            a multiple, neighbouring sequences sharing a picture.

    Returns:
        `(batch,)` float32 in 0..1.
    """
    read, following = sequences[:, :-1], sequences[:, 1:]
    output = model(encoder_outputs=memory, decoder_input_ids=read, use_cache=False)
    log_probabilities = output.logits.float().log_softmax(dim=-1)
    chosen = log_probabilities.gather(2, following[..., None])[..., 0]
    ended = (read == model.config.eos_token_id).cumsum(dim=1) > 0  # what follows is padding
    return chosen.masked_fill(ended, 0.0).sum(dim=1).exp()


__all__ = ["generate_with_probabilities", "sequence_probabilities"]

"""Recurrent decoder with coverage attention, that of WAP (Zhang et al. 2017)."""

from typing import Any

import torch
from torch import nn
from transformers.cache_utils import DynamicLayer, EncoderDecoderCache

from .configuration_inktex import InktexDecoderConfig
from .decoder_inktex import CACHE, InktexDecoderOutput

_KERNEL = 11
"""Cells; side of the window of past attention that each cell's score depends on."""
_COVERAGE_CHANNELS = 32


class InktexRecurrentDecoder(nn.Module):
    """Two GRU cells with additive attention over the memory in between.

    A convolution over the sum of past attention enters the scores, so that no cell is read twice
    and none left out. The attention is supervised like the guided heads of the Transformer.
    """

    def __init__(self, config: InktexDecoderConfig) -> None:
        super().__init__()
        self.config = config
        size = config.hidden_size
        self.embed_tokens = nn.Embedding(config.vocab_size, size, padding_idx=config.pad_token_id)
        self.embed_norm = nn.LayerNorm(size)
        self.start = nn.Linear(size, size)
        self.before = nn.GRUCell(size, size)
        self.after = nn.GRUCell(size, size)
        self.query = nn.Linear(size, size, bias=False)
        self.key = nn.Linear(size, size)
        self.coverage = nn.Conv2d(1, _COVERAGE_CHANNELS, _KERNEL, padding=_KERNEL // 2)
        self.coverage_key = nn.Linear(_COVERAGE_CHANNELS, size, bias=False)
        self.energy = nn.Linear(size, 1, bias=False)
        self.output = nn.Linear(3 * size, size)
        self.norm = nn.LayerNorm(size)
        self.dropout = nn.Dropout(config.dropout)

    def forward(
        self,
        input_ids: torch.Tensor,
        memory: torch.Tensor,
        memory_mask: torch.Tensor | None = None,
        cache: EncoderDecoderCache | None = None,
        output_guided: bool = False,
        columns: int | None = None,
        **unused: Any,
    ) -> InktexDecoderOutput:
        """Decode token by token.

        Args:
            input_ids: `(batch, tokens)`; `batch` may be a multiple of the memory's, neighbouring
                sequences sharing a picture.
            memory: `(pictures, cells, hidden)`.
            memory_mask: `(pictures, cells)` bool, true where there is picture.
            cache: states and coverage of the tokens before.
            output_guided: whether to return the attention's logits, `(batch, 1, tokens, cells)`.
            columns: of the grid of cells.
            unused: arguments of the Transformer decoder.

        Raises:
            ValueError: if the grid's columns are not given.
        """
        if columns is None:
            raise ValueError("The recurrent decoder needs the grid's columns, for its coverage.")
        groups = len(input_ids) // len(memory)
        memory = memory.repeat_interleave(groups, dim=0)
        keep = None if memory_mask is None else memory_mask.repeat_interleave(groups, dim=0)
        keys = self.key(memory)
        state, coverage = self._begin(memory, keep, cache)
        embedded = self.dropout(self.embed_norm(self.embed_tokens(input_ids)))
        hidden, guided, states, coverages = [], [], [], []
        for place in range(input_ids.shape[1]):
            state = self.before(embedded[:, place], state)
            seen = self.coverage(coverage.unflatten(1, (1, -1, columns)))
            context_keys = keys + self.coverage_key(seen.flatten(2).transpose(1, 2))
            logits = self.energy((context_keys + self.query(state)[:, None]).tanh())[..., 0]
            if keep is not None:
                logits = logits.masked_fill(~keep, torch.finfo(logits.dtype).min)
            weights = logits.softmax(dim=-1)
            context = (weights[:, None] @ memory)[:, 0]
            state = self.after(context, state)
            coverage = coverage + weights
            hidden.append(self.output(torch.cat([state, context, embedded[:, place]], dim=1)))
            guided.append(logits)
            states.append(state)
            coverages.append(coverage)
        if cache is not None:
            self._layer(cache).update(
                torch.stack(states, dim=1)[:, None], torch.stack(coverages, dim=1)[:, None]
            )
        last = self.norm(self.dropout(torch.stack(hidden, dim=1)))
        return InktexDecoderOutput(
            last_hidden_state=last,
            **{CACHE: cache},
            guided_logits=(torch.stack(guided, dim=1)[:, None],) if output_guided else None,
        )

    def _begin(
        self,
        memory: torch.Tensor,
        keep: torch.Tensor | None,
        cache: EncoderDecoderCache | None,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """State `(batch, hidden)` and coverage `(batch, cells)` behind the tokens before."""
        if cache is not None and cache.get_seq_length():
            layer = self._layer(cache)
            return layer.keys[:, 0, -1], layer.values[:, 0, -1]
        weights = torch.ones_like(memory[..., 0]) if keep is None else keep.to(memory.dtype)
        mean = (weights[:, None] @ memory)[:, 0] / weights.sum(dim=1, keepdim=True)
        return self.start(mean).tanh(), torch.zeros_like(memory[..., 0])

    def _layer(self, cache: EncoderDecoderCache) -> Any:
        """The cache's first layer: states as its keys, coverage as its values."""
        layers = cache.self_attention_cache.layers
        if not layers:
            layers.append(DynamicLayer())
        return layers[0]


__all__ = ["InktexRecurrentDecoder"]

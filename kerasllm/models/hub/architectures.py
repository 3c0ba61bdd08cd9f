"""The architectures that can be loaded: their settings and tensors, beside ours.

- `{n}` is the number of a block.
- `(query|key|value)` are three tensors there and one here, joined along the columns.
- `turned`: a matrix of torch's Linear is (out, in), ours is (in, out).
- RoBERTa counts positions from pad id + 1, so that its table has rows that no token reads.
- Llama's rotary pairs are the halves of a head, as here: its projections are taken as they are.
"""

import re
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Weight:
    """One weight of the backbone, and the name of its tensor (of its tensors) there."""

    ours: str
    theirs: str
    turned: bool = False

    def of_block(self, n):
        """Return the row of block `n`."""
        return Weight(self.ours.format(n=n), self.theirs.format(n=n), self.turned)

    @property
    def tensors(self):
        """Return the names of the tensors there.

        >>> Weight("x", "attention.(q|k|v).bias").tensors
        ['attention.q.bias', 'attention.k.bias', 'attention.v.bias']
        """
        before, *choice = re.split(r"\((.*)\)", self.theirs)
        return [before + c + choice[1] for c in choice[0].split("|")] if choice else [before]


def widths(weight, columns, settings):
    """Return how many of our columns each of a weight's tensors there has.

    Example:
        >>> from kerasllm.models import TransformerConfig
        >>> attention = Weight("attention/qkv_kernel", "(q|k|v)_proj.weight")
        >>> widths(attention, 10, TransformerConfig(7, 6, num_heads=3, num_kv_heads=1))
        [6, 2, 2]
    """
    count = len(weight.tensors)
    if count == 3:  # queries, keys and values: of the last two there may be fewer heads
        keys = settings.groups * settings.head_size
        return [columns - 2 * keys, keys, keys]
    return [columns // count] * count


@dataclass(frozen=True)
class Architecture:
    """What a `model_type` of config.json means.

    Attributes:
        model_type: its name there.
        title: the class that `transformers` loads it with.
        prefix: before the names of the tensors in a checkpoint that also holds a head.
        weights: the table of names.
        settings: {ours: theirs} for `TransformerConfig`.
        ours: settings here that the architecture fixes.
        defaults: settings there, for a config.json that leaves them out.
        theirs: settings there that must have these values, where they are given.
        positions_after_pad: whether positions are counted from pad id + 1.
        activations: {name there: ours}.
    """

    model_type: str
    title: str
    prefix: str
    weights: tuple
    settings: dict
    ours: dict
    defaults: dict
    theirs: dict = field(default_factory=dict)
    positions_after_pad: bool = False
    activations: dict = field(default_factory=lambda: ACTIVATIONS)

    def table(self, settings, segments=None):
        """Return the `Weight` rows of a backbone with these settings, those that it has."""
        left_out = () if (settings.segments if segments is None else segments) else ("segment",)
        left_out += ("output_embeddings",) if settings.tied else ()
        rows = []
        for weight in self.weights:
            if "{n}" in weight.ours:
                rows += [weight.of_block(n) for n in range(settings.num_layers)]
            elif not any(name in weight.ours for name in left_out):
                rows.append(weight)
        return rows

    def written(self, name):
        """Return the name of a tensor in a checkpoint of `title`, whose head stands beside it."""
        in_model = self.has_head and not name.startswith("lm_head.")
        return self.prefix + name if in_model else name

    @property
    def has_head(self):
        """Return whether `title` is a model with the head of a language model."""
        return "LM" in self.title

    @property
    def stems(self):
        """Return how the names of the backbone's tensors begin; all others are of heads."""
        return tuple({weight.theirs.split(".")[0] + "." for weight in self.weights})


# theirs: ours
ACTIVATIONS = {
    "gelu": "gelu", "gelu_new": "gelu_tanh", "gelu_pytorch_tanh": "gelu_tanh", "relu": "relu",
}  # fmt: skip

_BERT_WEIGHTS = (
    Weight("embedding/embeddings", "embeddings.word_embeddings.weight"),
    Weight("embedding/position_embeddings", "embeddings.position_embeddings.weight"),
    Weight("embedding/segment_embeddings", "embeddings.token_type_embeddings.weight"),
    Weight("norm/gamma", "embeddings.LayerNorm.weight"),
    Weight("norm/beta", "embeddings.LayerNorm.bias"),
    *(
        Weight("block_{n}/" + ours, "encoder.layer.{n}." + theirs, ours.endswith("kernel"))
        for ours, theirs in (
            ("attention/qkv_kernel", "attention.self.(query|key|value).weight"),
            ("attention/qkv_bias", "attention.self.(query|key|value).bias"),
            ("attention/output_kernel", "attention.output.dense.weight"),
            ("attention/output_bias", "attention.output.dense.bias"),
            ("attention_norm/gamma", "attention.output.LayerNorm.weight"),
            ("attention_norm/beta", "attention.output.LayerNorm.bias"),
            ("feed_forward/expand/kernel", "intermediate.dense.weight"),
            ("feed_forward/expand/bias", "intermediate.dense.bias"),
            ("feed_forward/contract/kernel", "output.dense.weight"),
            ("feed_forward/contract/bias", "output.dense.bias"),
            ("feed_forward_norm/gamma", "output.LayerNorm.weight"),
            ("feed_forward_norm/beta", "output.LayerNorm.bias"),
        )
    ),
)

_DISTILBERT_WEIGHTS = (
    Weight("embedding/embeddings", "embeddings.word_embeddings.weight"),
    Weight("embedding/position_embeddings", "embeddings.position_embeddings.weight"),
    Weight("norm/gamma", "embeddings.LayerNorm.weight"),
    Weight("norm/beta", "embeddings.LayerNorm.bias"),
    *(
        Weight("block_{n}/" + ours, "transformer.layer.{n}." + theirs, ours.endswith("kernel"))
        for ours, theirs in (
            ("attention/qkv_kernel", "attention.(q|k|v)_lin.weight"),
            ("attention/qkv_bias", "attention.(q|k|v)_lin.bias"),
            ("attention/output_kernel", "attention.out_lin.weight"),
            ("attention/output_bias", "attention.out_lin.bias"),
            ("attention_norm/gamma", "sa_layer_norm.weight"),
            ("attention_norm/beta", "sa_layer_norm.bias"),
            ("feed_forward/expand/kernel", "ffn.lin1.weight"),
            ("feed_forward/expand/bias", "ffn.lin1.bias"),
            ("feed_forward/contract/kernel", "ffn.lin2.weight"),
            ("feed_forward/contract/bias", "ffn.lin2.bias"),
            ("feed_forward_norm/gamma", "output_layer_norm.weight"),
            ("feed_forward_norm/beta", "output_layer_norm.bias"),
        )
    ),
)

_GPT2_WEIGHTS = (  # its "Conv1D" keeps matrices (in, out), as we do
    Weight("embedding/embeddings", "wte.weight"),
    Weight("embedding/position_embeddings", "wpe.weight"),
    *(
        Weight("block_{n}/" + ours, "h.{n}." + theirs)
        for ours, theirs in (
            ("attention_norm/gamma", "ln_1.weight"),
            ("attention_norm/beta", "ln_1.bias"),
            ("attention/qkv_kernel", "attn.c_attn.weight"),
            ("attention/qkv_bias", "attn.c_attn.bias"),
            ("attention/output_kernel", "attn.c_proj.weight"),
            ("attention/output_bias", "attn.c_proj.bias"),
            ("feed_forward_norm/gamma", "ln_2.weight"),
            ("feed_forward_norm/beta", "ln_2.bias"),
            ("feed_forward/expand/kernel", "mlp.c_fc.weight"),
            ("feed_forward/expand/bias", "mlp.c_fc.bias"),
            ("feed_forward/contract/kernel", "mlp.c_proj.weight"),
            ("feed_forward/contract/bias", "mlp.c_proj.bias"),
        )
    ),
    Weight("norm/gamma", "ln_f.weight"),
    Weight("norm/beta", "ln_f.bias"),
)

_LLAMA_WEIGHTS = (
    Weight("embedding/embeddings", "embed_tokens.weight"),
    Weight("embedding/output_embeddings", "lm_head.weight"),
    *(
        Weight("block_{n}/" + ours, "layers.{n}." + theirs, ours.endswith("kernel"))
        for ours, theirs in (
            ("attention_norm/scale", "input_layernorm.weight"),
            ("attention/qkv_kernel", "self_attn.(q|k|v)_proj.weight"),
            ("attention/output_kernel", "self_attn.o_proj.weight"),
            ("feed_forward_norm/scale", "post_attention_layernorm.weight"),
            ("feed_forward/expand/kernel", "mlp.(gate|up)_proj.weight"),
            ("feed_forward/contract/kernel", "mlp.down_proj.weight"),
        )
    ),
    Weight("norm/scale", "norm.weight"),
)

_BERT_SETTINGS = {
    "vocabulary_size": "vocab_size",
    "hidden_dim": "hidden_size",
    "num_layers": "num_hidden_layers",
    "num_heads": "num_attention_heads",
    "inner_dim": "intermediate_size",
    "max_length": "max_position_embeddings",
    "activation": "hidden_act",
    "dropout": "hidden_dropout_prob",
    "epsilon": "layer_norm_eps",
    "segments": "type_vocab_size",
}
_DISTILBERT_SETTINGS = {
    "vocabulary_size": "vocab_size",
    "hidden_dim": "dim",
    "num_layers": "n_layers",
    "num_heads": "n_heads",
    "inner_dim": "hidden_dim",
    "max_length": "max_position_embeddings",
    "activation": "activation",
    "dropout": "dropout",
}
_GPT2_SETTINGS = {
    "vocabulary_size": "vocab_size",
    "hidden_dim": "n_embd",
    "num_layers": "n_layer",
    "num_heads": "n_head",
    "inner_dim": "n_inner",
    "max_length": "n_positions",
    "activation": "activation_function",
    "dropout": "resid_pdrop",
    "epsilon": "layer_norm_epsilon",
}
_LLAMA_SETTINGS = {
    "vocabulary_size": "vocab_size",
    "hidden_dim": "hidden_size",
    "num_layers": "num_hidden_layers",
    "num_heads": "num_attention_heads",
    "num_kv_heads": "num_key_value_heads",
    "key_dim": "head_dim",
    "inner_dim": "intermediate_size",
    "max_length": "max_position_embeddings",
    "activation": "hidden_act",
    "dropout": "attention_dropout",
    "epsilon": "rms_norm_eps",
    "rotary_base": "rope_theta",
    "tied": "tie_word_embeddings",
}
_COMMON = {"positions": "learned", "normalization": "layer", "use_bias": True, "tied": True}
_ENCODER = _COMMON | {"causal": False, "norm": "post"}
_LLAMA = {
    "causal": True, "norm": "pre", "positions": "rotary", "normalization": "rms",
    "use_bias": False, "interleaved": False,
}  # fmt: skip
_BERT_DEFAULTS = {
    "pad_token_id": 0, "hidden_act": "gelu", "layer_norm_eps": 1e-12, "type_vocab_size": 2,
    "max_position_embeddings": 512, "hidden_dropout_prob": 0.1,
}  # fmt: skip
_DISTILBERT_DEFAULTS = {
    "pad_token_id": 0, "activation": "gelu", "max_position_embeddings": 512, "dropout": 0.1,
}  # fmt: skip
_GPT2_DEFAULTS = {
    "pad_token_id": None, "activation_function": "gelu_new", "layer_norm_epsilon": 1e-5,
    "n_positions": 1024, "resid_pdrop": 0.1,
}  # fmt: skip
_LLAMA_DEFAULTS = {
    "pad_token_id": None, "hidden_act": "silu", "rms_norm_eps": 1e-6, "attention_dropout": 0.0,
    "max_position_embeddings": 2048, "num_key_value_heads": None, "head_dim": None,
    "rope_theta": 10000.0, "tie_word_embeddings": False,
}  # fmt: skip
_READS_ALL = {"is_decoder": False, "position_embedding_type": "absolute"}

ARCHITECTURES = {
    a.model_type: a
    for a in (
        Architecture(
            "bert", "BertModel", "bert.", _BERT_WEIGHTS, _BERT_SETTINGS,
            _ENCODER, _BERT_DEFAULTS, _READS_ALL,
        ),
        Architecture(
            "roberta", "RobertaModel", "roberta.", _BERT_WEIGHTS, _BERT_SETTINGS,
            _ENCODER | {"segments": 1}, _BERT_DEFAULTS | {"pad_token_id": 1}, _READS_ALL,
            positions_after_pad=True,
        ),
        Architecture(
            "distilbert", "DistilBertModel", "distilbert.", _DISTILBERT_WEIGHTS,
            _DISTILBERT_SETTINGS, _ENCODER | {"epsilon": 1e-12}, _DISTILBERT_DEFAULTS,
        ),
        Architecture(
            "gpt2", "GPT2LMHeadModel", "transformer.", _GPT2_WEIGHTS, _GPT2_SETTINGS,
            _COMMON | {"causal": True, "norm": "pre"}, _GPT2_DEFAULTS,
            {
                "scale_attn_weights": True,
                "scale_attn_by_inverse_layer_idx": False,
                "add_cross_attention": False,
                "tie_word_embeddings": True,
            },
        ),
        Architecture(
            "llama", "LlamaForCausalLM", "model.", _LLAMA_WEIGHTS, _LLAMA_SETTINGS, _LLAMA,
            _LLAMA_DEFAULTS,
            {"attention_bias": False, "mlp_bias": False, "partial_rotary_factor": 1.0},
            activations={"silu": "swiglu", "swish": "swiglu"},
        ),
    )
}  # fmt: skip

"""Tiny GGUF files, whole or in parts, in packages that look installed."""

import hashlib
import json
from pathlib import Path

import torch
from transformers import Qwen2Config, Qwen2ForCausalLM

from hiper_agents.llm.packaged import PackagedModel


def make_model(tokenizer):
    """A random model of the kind that real files hold, with embeddings of its own at the end."""
    config = Qwen2Config(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=512,
        tie_word_embeddings=False,
        initializer_range=0.2,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return Qwen2ForCausalLM(config).eval()


def write_gguf(path, model, tokenizer):
    """Writes model and tokenizer with float32 tensors."""
    import gguf

    config, bpe = model.config, json.loads(tokenizer.backend_tokenizer.to_str())["model"]
    writer = gguf.GGUFWriter(path, "qwen2")
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_freq_base(10000.0)
    writer.add_vocab_size(config.vocab_size)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("qwen2")
    tokens = sorted(bpe["vocab"], key=bpe["vocab"].__getitem__)
    control = set(tokenizer.all_special_tokens)
    writer.add_token_list(tokens)
    writer.add_token_types([3 if token in control else 1 for token in tokens])
    writer.add_token_merges([" ".join(merge) for merge in bpe["merges"]])
    writer.add_bos_token_id(tokenizer.bos_token_id)
    writer.add_eos_token_id(tokenizer.eos_token_id)
    writer.add_pad_token_id(tokenizer.pad_token_id)
    writer.add_chat_template(tokenizer.chat_template)
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.QWEN2, config.num_hidden_layers)
    for name, tensor in model.state_dict().items():
        stem, _, kind = name.rpartition(".")
        writer.add_tensor(f"{names.get_name(stem)}.{kind}", tensor.numpy())
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def install(site: Path, content: bytes, parts: int) -> PackagedModel:
    """Lays content into packages below `site`, and describes it as a packaged model."""
    step = -(-len(content) // parts)
    packages = []
    for part in range(parts):
        name, module = f"fake-part{part + 1}", f"fake_part{part + 1}"
        file = f"{module}/data/part{part + 1:02}.bin"
        (site / file).parent.mkdir(parents=True)
        (site / file).write_bytes(content[part * step : (part + 1) * step])
        (site / module / "__init__.py").write_text("raise RuntimeError('was imported')")
        info = site / f"{module}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        packages.append((name, file))
    return PackagedModel(
        name="fake",
        title="Fake-0.0001B",
        quantised_from="F32 GGUF",
        install="pip install fake-part{1..3}==1.0",
        packages=tuple(packages),
        version="1.0",
        size=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
        splits_digits=True,
    )

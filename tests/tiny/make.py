#!/usr/bin/python3
"""Makes the tiny GPT-2 of the tests: 2 blocks, 16 channels, 2 heads, 32
positions, 300 tokens. Its weights are noise, the same on every machine.

usage: make.py [DIRECTORY]    (default: the script's own)
"""
import json
import os
import struct
import sys

import numpy as np

L, H, C, T = 2, 2, 16, 32

# The most frequent pairs of English, each made of what stands before it.
MERGES = """\
Ġ t|h e|Ġ a|i n|r e|o n|Ġt he|e r|Ġ s|a t|Ġ w|Ġ o|e n|Ġ c|i t|i s|a n|o r|e s|\
Ġ b|e d|Ġ f|in g|Ġ p|o u|Ġa n|a l|a r|Ġt o|Ġ m|Ġo f|Ġ in|Ġ d|Ġ h|Ġan d|i c|\
l e|Ġt h|o m|Ġ i|Ġb e|l l|v e""".split("|")


def byte_tokens():
    """GPT-2's names of the 256 bytes: printable ones first, as themselves."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    other = [b for b in range(256) if b not in plain]
    return [chr(b) for b in plain] + [chr(256 + i) for i in range(len(other))]


def make_vocab():
    tokens = byte_tokens()
    for merge in MERGES:
        a, b = merge.split(" ")
        assert a in tokens and b in tokens and a + b not in tokens, merge
        tokens.append(a + b)
    return tokens + ["<|endoftext|>"]


def noise(seed, shape, scale, middle=0.0):
    """Uniform in middle +- scale, by SplitMix64 (Steele et al. 2014)."""
    n = int(np.prod(shape))
    with np.errstate(over="ignore"):
        z = (np.arange(1, n + 1, dtype=np.uint64) + np.uint64(seed << 32)) \
            * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z ^= z >> np.uint64(31)
    u = (z >> np.uint64(40)).astype(np.float64) / 2**23 - 1
    return (middle + scale * u).astype("<f4").reshape(shape)


def make_tensors(vocab_size):
    shapes = {"wte.weight": (vocab_size, C), "wpe.weight": (T, C)}
    for i in range(L):
        shapes |= {f"h.{i}.{name}": shape for name, shape in {
            "ln_1.weight": (C,), "ln_1.bias": (C,),
            "attn.c_attn.weight": (C, 3 * C), "attn.c_attn.bias": (3 * C,),
            "attn.c_proj.weight": (C, C), "attn.c_proj.bias": (C,),
            "ln_2.weight": (C,), "ln_2.bias": (C,),
            "mlp.c_fc.weight": (C, 4 * C), "mlp.c_fc.bias": (4 * C,),
            "mlp.c_proj.weight": (4 * C, C), "mlp.c_proj.bias": (C,),
        }.items()}
    shapes |= {"ln_f.weight": (C,), "ln_f.bias": (C,)}
    return {name: noise(i + 1, shape, 0.25 if len(shape) > 1 else 0.125,
                        1.0 if "ln_" in name and name.endswith("weight")
                        else 0.0)
            for i, (name, shape) in enumerate(shapes.items())}


def write_safetensors(path, tensors):
    header, end = {"__metadata__": {"format": "pt"}}, 0
    for name, t in tensors.items():
        header[name] = {"dtype": "F32", "shape": list(t.shape),
                        "data_offsets": [end, end + t.nbytes]}
        end += t.nbytes
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text)
        for t in tensors.values():
            f.write(t.tobytes())


def main():
    out = sys.argv[1] if len(sys.argv) > 1 else os.path.dirname(__file__) or "."
    vocab = make_vocab()
    config = {
        "model_type": "gpt2", "architectures": ["GPT2LMHeadModel"],
        "activation_function": "gelu_new", "n_layer": L, "n_head": H,
        "n_embd": C, "n_positions": T, "n_ctx": T, "vocab_size": len(vocab),
        "layer_norm_epsilon": 1e-05, "bos_token_id": len(vocab) - 1,
        "eos_token_id": len(vocab) - 1, "torch_dtype": "float32"}
    with open(os.path.join(out, "config.json"), "w") as f:
        f.write(json.dumps(config, indent=1) + "\n")
    with open(os.path.join(out, "vocab.json"), "w", encoding="utf-8") as f:
        json.dump({t: i for i, t in enumerate(vocab)}, f, ensure_ascii=False,
                  separators=(",", ":"))
    with open(os.path.join(out, "merges.txt"), "w", encoding="utf-8") as f:
        f.write("#version: 0.2\n" + "\n".join(MERGES) + "\n")
    write_safetensors(os.path.join(out, "model.safetensors"),
                      make_tensors(len(vocab)))


main()

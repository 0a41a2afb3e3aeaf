#!/usr/bin/python3
"""GPT-2 in PyTorch, as one would write it: what the bench compares with.

  torch_gpt2.py embed MODEL CUT padded|equal ROWS   hidden states at the cut
  torch_gpt2.py train MODEL CUT padded|equal ROWS   an epoch from such states
  torch_gpt2.py recipe MODEL CUT EPOCHS ROWS        all blocks, in every epoch
  torch_gpt2.py generate MODEL NEW PROMPTS ROWS     with keys and values kept
  torch_gpt2.py onnx MODEL CUT FILE                 what onnx_gpt2.js runs

MODEL is a directory in Hugging Face's layout, ROWS what stream-cat --to jsonl
prints of a token stream. Prints seconds, without the start, and tokens.

padded: batches of 32 in the order of the file, each padded to its longest row;
equal: batches of 32 rows of one length, so that nothing is padded.
"""
import json
import math
import struct
import sys
import time

import numpy as np
import torch
import torch.nn.functional as F

BATCH = 32


def read_weights(path):
    with open(path, "rb") as f:
        raw = f.read()
    start = 8 + struct.unpack("<Q", raw[:8])[0]
    weights = {}
    for name, t in json.loads(raw[8:start]).items():
        if name == "__metadata__":
            continue
        begin, end = t["data_offsets"]
        values = np.frombuffer(raw[start + begin:start + end], np.float32)
        name = name.removeprefix("transformer.")
        weights[name] = torch.from_numpy(values.reshape(t["shape"]).copy())
    return weights


def read_rows(path):
    with open(path, encoding="utf-8") as f:
        rows = [json.loads(line) for line in f]
    return [(r["tokens"], int(r.get("label") or 0)) for r in rows]


class GPT2:
    def __init__(self, path):
        with open(path + "/config.json", encoding="utf-8") as f:
            config = json.load(f)
        self.w = read_weights(path + "/model.safetensors")
        self.layers, self.heads = config["n_layer"], config["n_head"]
        self.channels = config["n_embd"]

    def conv(self, name, x):
        flat = x.reshape(-1, x.shape[-1])
        y = torch.addmm(self.w[name + ".bias"], flat, self.w[name + ".weight"])
        return y.view(*x.shape[:-1], -1)

    def norm(self, name, x):
        w, b = self.w[name + ".weight"], self.w[name + ".bias"]
        return F.layer_norm(x, (self.channels,), w, b, 1e-5)

    def attend(self, i, x, past, dropout):
        batch, length, channels = x.shape
        size = channels // self.heads
        q, k, v = (t.view(batch, length, self.heads, size).transpose(1, 2)
                   for t in self.conv(f"h.{i}.attn.c_attn", x).split(channels, 2))
        if past is not None:
            if past[i] is not None:
                k = torch.cat((past[i][0], k), 2)
                v = torch.cat((past[i][1], v), 2)
            past[i] = (k, v)
        a = q @ k.transpose(-1, -2) / math.sqrt(size)
        if length > 1:
            later = torch.ones(length, k.shape[2], dtype=torch.bool)
            later = later.triu(1 + k.shape[2] - length)
            a = a.masked_fill(later, float("-inf"))
        a = F.dropout(F.softmax(a, -1), dropout, dropout > 0)
        y = (a @ v).transpose(1, 2).reshape(batch, length, channels)
        return self.conv(f"h.{i}.attn.c_proj", y)

    def block(self, i, x, past=None, dropout=0.0):
        y = self.attend(i, self.norm(f"h.{i}.ln_1", x), past, dropout)
        x = x + F.dropout(y, dropout, dropout > 0)
        y = self.conv(f"h.{i}.mlp.c_fc", self.norm(f"h.{i}.ln_2", x))
        y = self.conv(f"h.{i}.mlp.c_proj", F.gelu(y, approximate="tanh"))
        return x + F.dropout(y, dropout, dropout > 0)

    def embed(self, ids, start=0):
        positions = self.w["wpe.weight"][start:start + ids.shape[1]]
        return self.w["wte.weight"][ids] + positions

    def hidden(self, ids, cut):
        x = self.embed(ids)
        for i in range(cut):
            x = self.block(i, x)
        return x


def batches(rows, how):
    """Lists of row numbers."""
    order = list(range(len(rows)))
    if how == "padded":
        return [order[i:i + BATCH] for i in range(0, len(order), BATCH)]
    by_length = {}
    for i in order:
        by_length.setdefault(len(rows[i][0]), []).append(i)
    return [same[i:i + BATCH] for same in by_length.values()
            for i in range(0, len(same), BATCH)]


def pad(rows, batch):
    longest = max(len(rows[i][0]) for i in batch)
    ids = torch.zeros(len(batch), longest, dtype=torch.long)
    for row, i in zip(ids, batch):
        row[:len(rows[i][0])] = torch.tensor(rows[i][0])
    last = torch.tensor([len(rows[i][0]) - 1 for i in batch])
    return ids, last, torch.tensor([rows[i][1] for i in batch])


class Trainer:
    """The blocks from the cut on, the final norm and a classifier."""

    def __init__(self, model, cut):
        self.model, self.cut = model, cut
        self.score = torch.zeros(2, model.channels).requires_grad_()
        names = [n for n in model.w if n.startswith("ln_f") or
                 n.startswith("h.") and int(n.split(".")[1]) >= cut]
        for name in names:
            model.w[name].requires_grad_()
        self.weights = [model.w[n] for n in names] + [self.score]
        self.optimizer = torch.optim.AdamW(self.weights, lr=1e-4)

    def step(self, x, last, labels):
        for i in range(self.cut, self.model.layers):
            x = self.model.block(i, x, dropout=0.1)
        x = self.model.norm("ln_f", x)[torch.arange(len(last)), last]
        loss = F.cross_entropy(x @ self.score.t(), labels)
        self.optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.weights, 1.0)
        self.optimizer.step()


def embed(model, cut, how, rows):
    work = [pad(rows, b)[0] for b in batches(rows, how)]
    with torch.no_grad():
        model.hidden(work[0], cut)
        start = time.perf_counter()
        for ids in work:
            model.hidden(ids, cut)
    return time.perf_counter() - start, sum(len(r[0]) for r in rows)


def train(model, cut, how, rows):
    with torch.no_grad():
        states = [model.hidden(torch.tensor([r[0]]), cut)[0] for r in rows]
    trainer = Trainer(model, cut)
    start = time.perf_counter()
    for batch in batches(rows, how):
        ids, last, labels = pad(rows, batch)
        x = torch.zeros(*ids.shape, model.channels)
        for row, i in zip(x, batch):
            row[:len(states[i])] = states[i]
        trainer.step(x, last, labels)
    return time.perf_counter() - start, sum(len(r[0]) for r in rows)


def recipe(model, cut, epochs, rows):
    trainer = Trainer(model, cut)
    start = time.perf_counter()
    for _ in range(epochs):
        for batch in batches(rows, "padded"):
            ids, last, labels = pad(rows, batch)
            with torch.no_grad():
                x = model.hidden(ids, cut)
            trainer.step(x, last, labels)
    return time.perf_counter() - start, epochs * sum(len(r[0]) for r in rows)


def generate(model, new, prompts, rows):
    """Prompts of one length, the first so many tokens of long rows."""
    length = 8
    ids = torch.tensor([r[0][:length] for r in rows if len(r[0]) >= length]
                       [:prompts])
    seconds = 0.0
    with torch.no_grad():
        past = [None] * model.layers
        for n in range(new):
            at = 0 if n == 0 else length + n - 1
            start = time.perf_counter()
            x = model.embed(ids, at)
            for i in range(model.layers):
                x = model.block(i, x, past)
            logits = model.norm("ln_f", x[:, -1]) @ model.w["wte.weight"].t()
            ids = logits.argmax(1, keepdim=True)
            seconds += time.perf_counter() - start if n > 0 else 0
    return seconds, prompts * (new - 1)


def export(model, cut, path):
    class Lower(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.w = torch.nn.ParameterDict(
                {n.replace(".", "_"): torch.nn.Parameter(t)
                 for n, t in model.w.items()})
            model.w = {n: self.w[n.replace(".", "_")] for n in model.w}

        def forward(self, ids):
            return model.hidden(ids, cut)

    with torch.no_grad():
        torch.onnx.export(
            Lower(), torch.zeros(2, 3, dtype=torch.long), path,
            input_names=["ids"], output_names=["hidden"], opset_version=14,
            dynamic_axes={"ids": {0: "batch", 1: "length"}})


def main():
    command, path, *rest = sys.argv[1:]
    torch.manual_seed(1)
    model = GPT2(path)
    if command == "onnx":
        return export(model, int(rest[0]), rest[1])
    rows = read_rows(rest[-1])
    if command == "embed":
        result = embed(model, int(rest[0]), rest[1], rows)
    elif command == "train":
        result = train(model, int(rest[0]), rest[1], rows)
    elif command == "recipe":
        result = recipe(model, int(rest[0]), int(rest[1]), rows)
    else:
        result = generate(model, int(rest[0]), int(rest[1]), rows)
    print("%.6f %d" % result)


if __name__ == "__main__":
    main()

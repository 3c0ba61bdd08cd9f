// The equations of a Transformer block with the numbers in them; see equations.js.

const EQUATIONS = { recurrent: ofCell, both: ofCell, embedding: ofEmbedding, dense: ofDense, logits: ofLogits,
  pool: ofPool, block: ofBlock, norm: ofNorm, attention: ofAttention, feed_forward: ofFeedForward };

// Where what a part of a block reads is found.
function readBy(c) {
  const { model, seen, part: { index, step }, t, unit } = c, [, inside] = c.name.split(`${step.name}/`);
  const first = () => outputSource(model, seen, index - 1, t, unit);
  const of = (layer, symbol) => ({ layer: layer ? `${step.name}/${layer}` : step.name, symbol, position: t, unit, head: null });
  const [h, sum] = SUMS[step.norm];
  if (step.norm === "pre") return { attention_norm: first, attention: () => of("attention_norm", "output"),
    feed_forward_norm: () => of("", h), feed_forward: () => of("feed_forward_norm", "output") }[inside]();
  return { attention: first, attention_norm: () => of("", h), feed_forward: () => of("attention_norm", "output"),
    feed_forward_norm: () => of("", sum) }[inside]();
}

function readFrom(c) {
  if (c.part.step.op !== "block") return came(c, "x");
  const from = readBy(c);
  return from && { lines: [[`x is ${from.symbol} of ${from.layer}`], ["= ", linked(c.seen, from)]] };
}

function ofBlock(c, symbol) {
  const { model, seen, part: { index, step }, t, unit, name } = c, of = (layer, s) =>
    linked(seen, { layer: `${name}/${layer}`, symbol: s, position: t, unit, head: null });
  if (symbol === SUMS[step.norm][0]) {
    return { lines: [[`${step.norm === "pre" ? "h = " : ""}x + attention, the block's input and what attention adds to it`],
      ["= ", linked(seen, outputSource(model, seen, index - 1, t, unit)), " + ", of("attention", "output")]] };
  }
  const h = step.norm === "pre" ? c.get("h") : of("attention_norm", "output");
  return { lines: [[`${step.norm === "pre" ? "output = " : ""}h + feed_forward, what the network adds`],
    ["= ", h, " + ", of("feed_forward", "output")]] };
}

function ofNorm(c, symbol) {
  const { layer, seen, unit } = c;
  if (symbol === "x") return readFrom(c);
  if (symbol === "normalized") {
    const row = seen.symbols[c.name].x?.[c.t];
    if (!row) return { lines: [["normalized = x, centred and scaled over the units of the token"]] };
    const { mean, size } = meanAndSize(row, layer);
    const table = layer.rms
      ? parts(seen, "mean of x²", row.length, k => [c.own("x", { unit: k }), c.own("x", { unit: k }), { value: 1 / row.length }])
      : parts(seen, "mean of x", row.length, k => [c.own("x", { unit: k }), { value: 1 / row.length }]);
    return { lines: layer.rms ? [["normalized = x / √(mean of x² + ε)"], ["= ", c.get("x"), " / ", { value: size }]]
      : [["normalized = (x - mean) / √(variance + ε)"], ["= (", c.get("x"), " - ", { value: mean }, ") / ", { value: size }]],
    tables: [table] };
  }
  return { lines: [[`output = ${layer.gamma ? "γ · " : ""}normalized${layer.beta ? " + β" : ""}`], ["= ",
    ...(layer.gamma ? [c.weight(layer.gamma, unit), " · "] : []), c.get("normalized"),
    ...(layer.beta ? [" + ", c.weight(layer.beta, unit)] : [])]] };
}

function ofAttention(c, symbol) {
  const { layer, seen, name, t, unit, head } = c, { heads, groups, size } = layer;
  const group = head === null ? 0 : Math.floor(head * groups / heads);
  const own = (s, other) => ({ layer: name, symbol: s, position: t, unit, head, ...other });
  switch (symbol) {
    case "x": return readFrom(c);
    case "q": return projected(c, "q", head);
    case "k": return projected(c, "k", heads + head);
    case "v": return projected(c, "v", heads + groups + head);
    case "scores": {
      const table = parts(seen, "q·k", size, d => [own("q", { unit: d }), own("k", { position: unit, head: group, unit: d })]);
      return { lines: [[`score = q·k / √${size}, query ${t} and key ${unit}`], ["= ", totalOf(table), " / ", { value: Math.sqrt(size) }]],
        tables: [table] };
    }
    case "weights": {
      if (layer.causal && unit > t) return { lines: [["weight = 0: this model does not look ahead"]] };
      const row = seen.symbols[name].scores?.[t][head], seenKeys = row?.slice(0, layer.causal ? t + 1 : row.length);
      const shares = seenKeys && { title: "each key: score, and its weight", rows: [...seenKeys.keys()].map(s =>
        ({ numbers: [linked(seen, own("scores", { unit: s }))], value: linked(seen, own("weights", { unit: s })) })), left: 0 };
      return { lines: [["weight = exp(score - log Σ exp(scores of the keys))"], ["= exp(", c.get("scores"), " - ",
        seenKeys ? { value: logSum(seenKeys) } : "log Σ", ")"]], tables: shares ? [shares] : [] };
    }
    case "z": {
      const count = seen.symbols[name].weights?.[t][head].length ?? 1;
      const table = parts(seen, "Σ weight · v", count, s => [own("weights", { unit: s }), own("v", { position: s, head: group })]);
      return { lines: [["z = Σ weight · v over the keys"], ["= ", totalOf(table)]], tables: [table] };
    }
    default: {
      const table = parts(seen, "z·W", heads * size, k => [own("z", { head: Math.floor(k / size), unit: k % size }),
        weightAt(layer.output_kernel, k, unit)]);
      return { lines: [[`output = [z of all heads]·W${layer.output_bias ? " + b" : ""}`], ["= ", totalOf(table),
        ...(layer.output_bias ? [" + ", c.weight(layer.output_bias, unit)] : [])]], tables: [table] };
    }
  }
}

// q, k or v: a part of x @ W + b, and with rotary positions turned as one of a pair.
function projected(c, symbol, place) {
  const { layer, seen, t, unit } = c, { kernel, bias, size, rotary } = layer;
  const made = (column, name) => bent(c, name, "", "x", kernel, bias, column);
  if (!rotary || symbol === "v") return made(place * size + unit, symbol);
  const half = size / 2, i = rotary.interleaved ? unit >> 1 : unit % half;
  const pair = rotary.interleaved ? [2 * i, 2 * i + 1] : [i, half + i], first = unit === pair[0];
  const [a, b] = pair.map((one, n) => made(place * size + one, "ab"[n])), angle = t * rotary.base ** (-i / half);
  a.tables[0].title = "x·W of a"; b.tables[0].title = "x·W of b";
  const [p, q, sign] = first ? ["cos", "sin", "-"] : ["sin", "cos", "+"], turn = { value: angle };
  const whole = (one, column) => one.tables[0].missing ? "?"
    : { value: one.tables[0].total + (bias ? bias.data[place * size + column] : 0) };
  return { lines: [[`${symbol} = a · ${p}(angle) ${sign} b · ${q}(angle), angle = ${t} / ${rotary.base}^(${i}/${half})`],
    ["a ", ...a.lines[1]], ["b ", ...b.lines[1]],
    ["= ", whole(a, pair[0]), ` · ${p}(`, turn, `) ${sign} `, whole(b, pair[1]), ` · ${q}(`, turn, ")"]],
  tables: [...a.tables, ...b.tables] };
}

function ofFeedForward(c, symbol) {
  const { layer, unit } = c, gated = layer.activation === "swiglu", half = layer.w_1.shape[1] / 2;
  switch (symbol) {
    case "x": return readFrom(c);
    case "a": return bent(c, "a", "", "x", layer.w_1, layer.b_1, unit, "x·W₁ + b₁");
    case "up": return bent(c, "up", "", "x", layer.w_1, layer.b_1, half + unit, "x·W₁ + b₁");
    case "gate": return { lines: [["gate = a · σ(a)"], ["= ", c.get("a"), " · σ(", c.get("a"), ")"]] };
    case "h": return gated ? { lines: [["h = gate · up"], ["= ", c.get("gate"), " · ", c.get("up")]] }
      : { lines: [[`h = ${layer.activation}(a)`], [`= ${layer.activation}(`, c.get("a"), ")"]] };
    default: return bent(c, "output", "", "h", layer.w_2, layer.b_2, unit, "h·W₂ + b₂");
  }
}

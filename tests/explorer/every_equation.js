// Compute every number of a page again from the numbers in its equation; return what does not agree.
(() => {
  const words = { "·": "*", "σ": "sigmoid", tanh: "Math.tanh", exp: "Math.exp", cos: "Math.cos", sin: "Math.sin",
    relu: "ACTIVATIONS.relu", gelu_tanh: "ACTIVATIONS.gelu_tanh", gelu: "ACTIVATIONS.gelu" };
  const valueOf = line => {
    const code = line.map(part => typeof part === "string"
      ? part.replace(/^= /, "").replace(/·|σ|\p{L}\w*/gu, word => words[word] ?? word)
      : `(${part.value})`).join("");
    return (0, eval)(code);
  };
  const found = { checked: 0, wrong: [], none: [], symbols: new Set(), leaves: 0, dead: [] };
  const far = (a, b) => Math.abs(a - b) / Math.max(Math.abs(a), Math.abs(b), 1e-3);
  const check = (source, value) => {
    const made = equation(model, state.seen, source, state.sampling), said = JSON.stringify({ ...source, weight: undefined });
    if (!made) { found.none.push(said); return; }
    if (made.lines.length < 2) return; // it says why there is nothing to compute
    found.checked++;
    const got = valueOf(made.lines.at(-1));
    if (!(far(got, value) < 1e-6)) found.wrong.push(`${said}: ${got} for ${value}`);
    const links = [...made.lines.flat(), ...made.tables.flatMap(table => table.rows.flatMap(row => row.numbers))]
      .filter(part => part?.source);
    for (const link of links) {
      if (!Number.isFinite(link.value)) found.dead.push(`${said} → ${JSON.stringify(link.source)}`);
      if (link.source.weight) found.leaves++;
    }
  };
  for (const [layer, symbols] of Object.entries(state.seen.symbols)) {
    for (const [symbol, rows] of Object.entries(symbols)) {
      found.symbols.add(`${layer}: ${symbol}`);
      rows.forEach((row, position) => {
        if (Array.isArray(row)) row.forEach((own, head) => own.forEach((value, unit) => check({ layer, symbol, position, unit, head }, value)));
        else row.forEach((value, unit) => check({ layer, symbol, position, unit, head: null }, value));
      });
    }
  }
  if (description.predicts !== "tag") {
    probabilities(state.seen, state.position).forEach((p, unit) => check({ answer: true, position: state.position, unit }, p));
  } else {
    const crf = model.steps.find(step => step.op === "crf"), path = crf && bestTags(state.seen.output, crf);
    if (!crf) state.seen.output.forEach((row, position) => softmax(row).forEach((p, unit) => check({ answer: true, position, unit }, p)));
    else found.path = valueOf(equation(model, state.seen, { answer: true, position: 0, unit: path[0], path }).lines.at(-1));
  }
  for (const key of ["wrong", "none", "dead"]) { found[`${key}_count`] = found[key].length; found[key] = found[key].slice(0, 5); }
  return { ...found, symbols: [...found.symbols] };
})()

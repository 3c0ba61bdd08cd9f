// Change one thing after the other, each alone, and see which of them changes the answer.

const TRIALS = {
  units: { title: "every unit", why: "of the layer and symbol that are chosen",
    can: () => !isOfHeads(), make() {
      const { layer, symbol } = state, rows = state.seen.symbols[layer][symbol];
      const position = isChosen() ? state.chosen.position : null;
      return [...rows[0].keys()].map(unit => ({ unit, name: `unit ${unit}`, of: `${layer}: ${symbol}${position === null ? "" : `, position ${position}`}`,
        parts: (position === null ? [...rows.keys()] : [position]).map(t => ({ layer, symbol, position: t, unit, head: null, value: insteadOf(layer, symbol, t, unit) })) }));
    } },
  heads: { title: "every head", why: "silent",
    can: () => Object.values(state.seen.symbols).some(of => of.weights && of.z), make() {
      return Object.entries(state.seen.symbols).filter(([, of]) => of.weights && of.z).flatMap(([layer, of]) =>
        of.weights[0].map((_, head) => ({ name: `${layer}, head ${head}`, of: "silent",
          parts: [{ layer, symbol: "z", position: null, unit: null, head, value: 0 }] })));
    } },
  edges: { title: "every edge of the head", why: "cut, from the chosen token to each that it looks at",
    can: () => state.symbol === "weights" && isOfHeads(), make() {
      const { layer, head } = state, query = isChosen() ? state.chosen.position : state.position;
      const looks = state.seen.symbols[layer].weights[query][head];
      return [...looks.keys()].filter(key => looks[key] > 0).map(key => ({ name: `${tokens()[key]} (${key})`,
        of: `${layer}, head ${head}, from position ${query}`,
        parts: [{ layer, symbol: "weights", position: query, unit: null, head, key }] }));
    } },
  tokens: { title: "every token", why: "its embedding",
    can: () => model.steps[0]?.op === "embedding", make() {
      const layer = model.steps[0].name, rows = state.seen.symbols[layer].output;
      return rows.map((row, t) => ({ name: `${tokens()[t]} (${t})`, of: "its embedding",
        parts: [{ layer, symbol: "output", position: t, unit: null, head: null,
          value: row.map((_, unit) => insteadOf(layer, "output", t, unit)) }] }));
    } },
};

// What is put in the place of a number: that of the second text, or 0.
function insteadOf(layer, symbol, position, unit) {
  const theirs = state.other?.seen.symbols[layer]?.[symbol];
  return theirs ? theirs[Math.min(position, theirs.length - 1)][unit] : 0;
}

// How far two answers are from each other, ½ Σ |after - before|; of a tagger the word that moved most.
function howFar(before, after) {
  const between = (a, b) => a.reduce((all, value, k) => all + Math.abs(value - b[k]), 0) / 2;
  if (description.predicts !== "tag") return between(probabilities(before, state.position), probabilities(after, state.position));
  return Math.max(...before.output.map((row, m) => between(softmax(row), softmax(after.output[m]))));
}

async function tryAll(kind) {
  const trials = TRIALS[kind].make(), mine = { kind, rows: [], of: trials[0].of, changes: state.changes.length,
    layer: state.layer, symbol: state.symbol, with: ["units", "tokens"].includes(kind) && state.other ? "second" : "0" };
  const answer = seen => description.predicts === "tag" ? null : largest(probabilities(seen, state.position));
  const { seen, reads, position } = state, first = answer(seen);
  state.trials = mine;
  let shown = performance.now();
  for (const trial of trials) {
    const after = computed(reads, position, [...partsOf(state.changes), ...trial.parts]);
    const p = one => first === null ? null : probabilities(one, position)[first];
    mine.rows.push({ ...trial, far: howFar(seen, after), first, before: p(seen), after: p(after), now: answer(after) });
    if (performance.now() - shown > 60) { // let the page live meanwhile
      place("trying").textContent = `${mine.rows.length} of ${trials.length}`;
      await new Promise(done => setTimeout(done, 0));
      if (state.trials !== mine || state.seen !== seen || state.position !== position) return;
      shown = performance.now();
    }
  }
  mine.rows.sort((a, b) => b.far - a.far);
  mine.done = true;
  if (kind === "units") state.sortBy = "effect on the answer";
  render();
}

const unitTrials = () => {
  const { trials } = state;
  return trials?.done && trials.kind === "units" && trials.layer === state.layer && trials.symbol === state.symbol ? trials : null;
};

function renderTrials() {
  if (!computes) return [element("p", { textContent: "Not in this page: the model is too large." })];
  const buttons = Object.entries(TRIALS).filter(([, one]) => one.can()).map(([kind, { title, why }]) =>
    element("button", { id: `try-${kind}`, textContent: `Try ${title}`, title: why, onclick: () => tryAll(kind) }));
  const instead = state.other ? "what they are in the second text" : "0 (what they are in a second text, if one is read beside)";
  const parts = [element("p", { textContent: `One after the other, each alone: units and tokens become ${instead}, heads are silenced, edges cut.` }),
    element("p", { className: "row" }, buttons, element("span", { id: "trying", role: "status" }))];
  return state.trials?.done ? [...parts, ...trialTable(state.trials)] : parts;
}

function trialTable({ rows, of, changes, with: by, kind }) {
  const percent = p => p === null ? "" : `${(100 * p).toFixed(1)} %`;
  const said = `${of}${["units", "tokens"].includes(kind) ? by === "0" ? " := 0" : " := as in the second text" : ""}${
    changes ? `, with the first ${changes} changes` : ""}`;
  const top = rows[0].first === null ? "" : labelOf(rows[0].first);
  const body = rows.slice(0, 12).map((row, n) => element("tr", {}, element("td", { textContent: row.name }),
    element("td", {}, bar(row.far, "after")), element("td", { className: "number", textContent: row.far.toFixed(3) }),
    element("td", { className: "number", textContent: row.first === null ? "" : `${percent(row.before)} → ${percent(row.after)}` }),
    element("td", { textContent: row.now === null || row.now === row.first ? "" : labelOf(row.now) }),
    element("td", {}, element("button", { id: `do-${n}`, textContent: "Do it", onclick: () =>
      change(row.parts, `${row.of === "silent" ? "" : `${row.of}, `}${row.name} ${{ heads: "is silent", edges: "is not seen" }[kind]
        ?? (by === "0" ? ":= 0" : ":= as in the second text")}`) }))));
  const head = ["", "", "the answer moves by", top ? `p(${top})` : "", "answer now", ""];
  return [element("h3", { textContent: said }), element("table", { className: "answers trials" },
    element("tr", {}, head.map((textContent, k) => element("th", { textContent, className: k === 2 ? "number" : "" }))), body),
  ...(rows.length > 12 ? [element("p", { textContent: `and ${rows.length - 12} that move it less` })] : [])];
}

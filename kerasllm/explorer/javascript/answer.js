// The text, the answer to it, and how it goes on.

const renderNote = () => {
  const notes = [state.reads.note, isHidden(state.position, state.position)
    ? "the chosen token is hidden, and the model says what stands there" : ""];
  return notes.filter(Boolean).length ? [notes.filter(Boolean).join("; ")] : [];
};

function tokenButtons(name, reads, position, go) {
  return tokensOf(reads, position).map((token, t) => element("button", { id: `${name}-${t}`,
    className: t === position ? "token chosen" : "token", textContent: token,
    title: `position ${t}, id ${reads.ids[t]}`, onclick: () => go(t) }));
}

function renderTokens() {
  const rows = [element("p", { className: "row" }, tokenButtons("token", state.reads, state.position, goTo))];
  if (state.other) {
    const { reads, position } = state.other;
    rows.push(element("p", { className: "row second" }, tokenButtons("beside", reads, position, t => {
      lookBeside(t);
    })));
  }
  return rows;
}

// Probabilities at a position; what a page without weights did not store is NaN.
function probabilities(seen, position) {
  const ofTokens = ["next", "hidden"].includes(description.predicts);
  if (seen.answers) {
    const p = rowOf(description.answers, NaN);
    seen.answers[position].forEach(([id, share]) => { p[id] = share; });
    return p;
  }
  const row = seen.output[ofTokens ? position : 0];
  if (description.predicts === "next") {
    const p = rowOf(row.length);
    nextTokens(row, state.sampling).forEach(one => { p[one.id] = one.p; });
    return p;
  }
  return description.multilabel ? row.map(sigmoid) : description.normalised ? row : softmax(row);
}

// Kinds of bars: before, after, and of the second text.
function answersShown() {
  const found = { before: probabilities(state.before, state.position) };
  if (state.changes.length) found.after = probabilities(state.seen, state.position);
  if (state.other) found.second = probabilities(state.other.seen, state.other.position);
  return found;
}

function renderAnswer() {
  if (description.predicts === "tag") return [tagTable()];
  const shown = answersShown(), kinds = Object.keys(shown);
  const size = k => Math.max(...kinds.map(kind => shown[kind][k] || 0));
  const order = [...shown.before.keys()].sort((a, b) => size(b) - size(a)).slice(0, 10);
  const percent = p => Number.isNaN(p) ? "–" : `${(100 * p).toFixed(1)} %`;
  const rows = order.map((k, n) => element("tr", {},
    element("td", {}, element("button", { className: "link", id: `answer-${n}`, textContent: labelOf(k),
      title: "its equation", onclick: () => choose({ answer: true, position: state.position, unit: k, head: null }) })),
    element("td", {}, kinds.map(kind => bar(shown[kind][k], kind))),
    kinds.map(kind => element("td", { className: `number ${kind}`, textContent: percent(shown[kind][k]) }))));
  const title = { next: `The token after ${tokens()[state.position]}`, class: "The class of the text",
    hidden: `What stands at position ${state.position}` }[description.predicts];
  const names = { before: "before", after: "after", second: "second text" };
  const head = element("tr", {}, ["", "", ...kinds.map(kind => kinds.length === 1 ? "" : names[kind])]
    .map((textContent, k) => element("th", { textContent, className: k > 1 ? "number" : "" })));
  return [element("h3", { textContent: title }), element("table", { className: "answers" }, head, rows),
    ...(description.predicts === "next" && computes ? [samplingControls()] : [])];
}

const bar = (share, kind) => element("div", { className: `bar ${kind}`, style: `width:${100 * (share || 0)}%` });

// The tag of each word by itself, with its probability, and in the best sequence of a CRF.
function tagTable() {
  const crf = model.steps.find(step => step.op === "crf"), words = state.reads.words;
  const path = seen => crf ? bestTags(seen.output, crf) : seen.output.map(largest);
  const alone = seen => seen.output.map(row => `${labelOf(largest(row))} ${Math.max(...softmax(row)).toFixed(3)}`);
  const kinds = state.changes.length ? ["before", "after"] : ["before"];
  const cells = kinds.flatMap((kind, n) => {
    const seen = kind === "before" ? state.before : state.seen, tags = path(seen);
    const explain = m => choose({ answer: true, position: m, unit: tags[m], head: null, path: tags });
    return [alone(seen), n < kinds.length - 1 ? tags.map(labelOf) : tags.map((tag, m) => element("button", {
      className: "link", id: `answer-${m}`, textContent: labelOf(tag), title: "its equation", onclick: () => explain(m) }))];
  });
  const text = cell => cell.textContent ?? cell;
  const rows = words.map((word, m) => element("tr", {}, element("td", { textContent: word }),
    cells.map((column, k) => element("td", { className: k > 1
      ? text(column[m]) !== text(cells[k - 2][m]) ? "after changed" : "after" : "" }, column[m]))));
  const heads = ["word", "by itself", crf ? "in the best path" : "tag", "by itself, after", "after"];
  return element("table", {}, element("tr", {}, heads.slice(0, cells.length + 1)
    .map(textContent => element("th", { textContent }))), rows);
}

function samplingControls() {
  const knob = (name, title, min, max, step) => element("label", {}, `${title} `, element("input", {
    type: "number", id: name, min, max, step, value: state.sampling[name], onchange: event => {
      const value = Number(event.target.value);
      if (event.target.value !== "" && value >= min && value <= max) state.sampling[name] = value;
      render();
    } }));
  const grow = draw => () => {
    const next = nextTokens(state.seen.output.at(-1), state.sampling);
    const ids = [...state.reads.ids, draw ? drawn(next) : next[0].id];
    const longest = description.reading.length;
    show({ ids: ids.slice(-longest), note: ids.length > longest
      ? "continued token by token; only what the model can read at once is left"
      : "continued token by token" }, state.text);
  };
  return element("p", { className: "row" }, knob("temperature", "temperature", 0, 5, 0.1),
    knob("topK", "top-k (0: all)", 0, 100000, 1), knob("topP", "top-p", 0.01, 1, 0.05),
    element("button", { id: "likeliest", textContent: "Add the likeliest", onclick: grow(false) }),
    element("button", { id: "draw", textContent: "Draw one", onclick: grow(true) }));
}

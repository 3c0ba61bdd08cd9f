// What was changed, and a second text whose states can be put in the place of this one's.

function renderChanges() {
  if (!computes) return [element("p", { textContent: "Not in this page: the model is too large." })];
  const list = state.changes.map(one => element("li", { textContent: one.said }));
  return [state.changes.length ? element("ol", {}, list) : element("p", { textContent: "Nothing is changed." }),
    ...(state.changes.length ? [element("p", { className: "row" },
      element("button", { id: "undo", textContent: "Undo", title: "Ctrl+Z", onclick: () => undo() }),
      element("button", { id: "undo-all", textContent: "Undo all", onclick: () => undo(state.changes.length) }))] : []),
    ...swapControls()];
}

const besideOf = (reads, position) => ({ reads, position, seen: computed(reads, position) });

// Read a second text, or stop to.
function readBeside(text) {
  if (!text.trim()) { state.other = null; render(); return; }
  const stored = description.traces.find(trace => trace.text === text);
  const reads = stored ?? (read && read(text));
  if (!reads || reads.empty) { place("note").textContent = reads?.note ?? description.tokenizer.why; return; }
  state.other = { ...besideOf(reads, reads.ids.length - 1), text };
  render();
}

// A row of the second text in the place of one of this text's: of all units, of one, of a head.
function swapControls() {
  const { layer, symbol, other } = state, rows = state.seen.symbols[layer][symbol];
  const theirs = other?.seen.symbols[layer]?.[symbol];
  if (!theirs || ["weights", "scores"].includes(symbol)) {
    return [element("p", { className: "soft", textContent: other
      ? "Choose another symbol: what a head looks at belongs to its own text."
      : "Read a second text beside this one to put its states here." })];
  }
  const head = isOfHeads() ? state.head : null, every = "every token";
  const chosen = isChosen() ? state.chosen : null;
  const into = Math.min(chosen?.position ?? state.position, rows.length - 1);
  const list = (id, names, value, more = []) => element("select", { id }, [...more, ...names.keys()].map(t =>
    element("option", { value: t, textContent: t === every ? every : `${t} ${names[t]}`, selected: t === value })));
  const swap = unit => () => {
    const to = place("swap-into").value, from = Number(place("swap-from").value);
    const positions = to === every ? [...rows.keys()] : [Number(to)];
    const valueAt = t => {
      const row = theirs[to === every ? Math.min(t, theirs.length - 1) : from], own = head === null ? row : row[head];
      return unit === null ? own : own[unit];
    };
    const what = `${layer}: ${symbol}${head === null ? "" : `, head ${head}`}${unit === null ? "" : `, unit ${unit}`}`;
    change(positions.map(t => ({ layer, symbol, position: t, unit, head, value: valueAt(t) })),
      `${what}, ${to === every ? "at every token as there in the second text" : `position ${to} := that of position ${from} in the second text`}`);
  };
  return [element("p", { className: "row" }, `Put ${symbol} of ${layer}${head === null ? "" : `, head ${head},`} of the second text at `,
    list("swap-from", besideColumns(theirs), Math.min(other.picked ? other.position : into, theirs.length - 1)), " in the place of ",
    list("swap-into", columns(rows), into, [every]),
    element("button", { id: "swap", textContent: "All units", onclick: swap(null) }),
    ...(chosen && chosen.unit !== null ? [element("button", { id: "swap-unit", textContent: `Unit ${chosen.unit} alone`, onclick: swap(chosen.unit) })] : []))];
}

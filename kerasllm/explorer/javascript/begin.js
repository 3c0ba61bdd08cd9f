// The proof that the page computes what NumPy computed, and the beginning.

function prove() {
  if (!computes) { place("proof").textContent = description.why; Object.assign(place("proof").dataset, { computes }); return; }
  const worst = description.traces.map(trace => distance(run(model, trace), trace.symbols.map(one =>
    ({ ...one, values: numbers.subarray(one.at, one.at + one.size) }))))
    .reduce((a, b) => ({ ...(a.distance > b.distance ? a : b), compared: a.compared + b.compared }));
  const same = !read || description.traces.every(({ text, words, ids, positions }) => {
    const mine = read(words ?? text);
    return mine.ids.join() === ids.join() && `${mine.positions}` === `${positions}`;
  });
  const holds = worst.distance <= 1e-5 && same;
  place("proof").textContent = `${holds ? "✓" : "✗"} This page computes the model by itself. Its numbers are`
    + ` within ${worst.distance.toExponential(1)} of those that NumPy stored (${worst.compared.toLocaleString("en")}`
    + ` compared; furthest apart ${worst.layer}: ${worst.symbol}, as a share of its largest number)`
    + `${read ? `, and it reads ${same ? "the same tokens" : "OTHER TOKENS"}` : ""}.`;
  Object.assign(place("proof").dataset, { distance: worst.distance, compared: worst.compared, tokens: same, holds, computes });
}

function begin() {
  const box = place("text"), beside = place("other"), first = description.traces[0];
  box.value = first.text;
  const start = () => {
    const reads = read(box.value);
    if (reads.empty) place("note").textContent = reads.note; else show(reads, box.value);
  };
  const onEnter = (field, act) => field.addEventListener("keydown", event => {
    if (event.key === "Enter" && !event.shiftKey) { event.preventDefault(); act(); } });
  if (read) { place("read").addEventListener("click", start); onEnter(box, start); }
  else { box.disabled = place("read").disabled = beside.disabled = true; }
  place("read-beside").addEventListener("click", () => readBeside(beside.value));
  onEnter(beside, () => readBeside(beside.value));
  if (!read) place("read-beside").disabled = true;
  place("stored").replaceChildren(...description.traces.flatMap(trace => [element("button", {
    textContent: trace.text, onclick: () => { box.value = trace.text; show(trace, trace.text); } }),
  ...(description.traces.length > 1 ? [element("button", { className: "beside", textContent: "beside",
    title: "read it as the second text", onclick: () => { beside.value = trace.text; readBeside(trace.text); } })] : [])]));
  for (const button of document.querySelectorAll("button.save")) {
    button.addEventListener("click", () => saveView(button.dataset.view, button.dataset.title));
  }
  document.addEventListener("keydown", event => {
    if (event.key !== "z" || !(event.ctrlKey || event.metaKey) || document.activeElement?.matches("textarea, input")) return;
    event.preventDefault();
    undo();
  });
  prove();
  show(read ? first : { ...first, note: [first.note, description.tokenizer.why].filter(Boolean).join("; ") }, first.text);
}

begin();

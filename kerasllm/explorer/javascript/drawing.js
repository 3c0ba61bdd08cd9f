// Elements, and pictures of rows of numbers as SVG. Texts are set as texts: none is read as HTML.

function element(tag, properties = {}, ...content) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (name in made && name !== "list") made[name] = value;
    else made.setAttribute(name, value);
  }
  made.append(...content.flat());
  return made;
}

function svg(tag, attributes = {}, ...content) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...content.flat());
  return made;
}

// A token as a person can read it: its space and its line ends made visible.
const readable = token => token.replace(/\n/g, "\\n").replace(/\t/g, "\\t").replace(/^ +/, s => "␣".repeat(s.length));
const number = value => Math.abs(value) >= 1e4 || (value && Math.abs(value) < 1e-3)
  ? value.toExponential(2) : value.toFixed(4);

// Red above 0 and blue below, as strong as the number is as a share of the largest: one for both themes.
const inkOf = (value, largest) => ({ class: value < 0 ? "down" : "up",
  "fill-opacity": Math.min(Math.abs(value) / (largest || 1), 1).toFixed(3) });
const largestOf = rows => rows.reduce((all, row) => row.reduce((a, b) => Math.max(a, Math.abs(b)), all), 0);

const CELL = 18, LABELS = 70;

// A grid of numbers: a row of the picture for each of `names`, a column for each token.
// `pick(row, column)` is called where it is clicked, or reached by the arrow keys.
function heatmap({ id, title, values, names, tokens, chosen, pick }) {
  const largest = largestOf(values), widest = Math.max(1, ...tokens.map(token => [...token].length));
  const left = Math.max(LABELS, 8 * Math.max(...names.map(name => [...name].length)));
  const width = left + CELL * tokens.length + 8, height = CELL * values.length + 16 + 7 * Math.min(widest, 24);
  const cells = values.flatMap((row, r) => row.map((value, c) => {
    const { class: sign, ...ink } = inkOf(value, largest);
    const mark = chosen && chosen[0] === r && chosen[1] === c ? " chosen" : "";
    return svg("rect", { x: left + c * CELL, y: r * CELL + 1, width: CELL, height: CELL, ...ink,
      class: `cell ${sign}${mark}`, "data-row": r, "data-column": c },
    svg("title", {}, `${names[r]}, ${tokens[c]}: ${number(value)}`));
  }));
  const rows = names.map((name, r) => svg("text", { x: left - 5, y: r * CELL + 14, "text-anchor": "end" }, name));
  const columns = tokens.map((token, c) => svg("text", { "text-anchor": "end",
    transform: `translate(${left + c * CELL + 14},${CELL * values.length + 10}) rotate(-60)` }, token));
  const made = svg("svg", { id, viewBox: `0 0 ${width} ${height}`, width, height, tabindex: 0, role: "application",
    "aria-label": `${title}; the arrow keys move`, class: "picture heatmap" }, svg("title", {}, title), cells, rows, columns);
  listen(made, values, chosen, pick);
  return made;
}

function listen(picture, values, chosen, pick) {
  picture.addEventListener("click", event => {
    const { row, column } = event.target.closest("rect")?.dataset ?? {};
    if (row !== undefined) pick(Number(row), Number(column));
  });
  picture.addEventListener("keydown", event => {
    const step = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
    if (!step) return;
    event.preventDefault();
    const within = (value, count) => Math.min(Math.max(value, 0), count - 1);
    pick(chosen ? within(chosen[0] + step[0], values.length) : 0, chosen ? within(chosen[1] + step[1], values[0].length) : 0);
  });
}

// Lines of several symbols of one unit along the text. A point that is dragged up or down calls
// `drag(line, token, value)`: at once where the model is computed fast, else where it is let go.
const LIVE = 40; // milliseconds

function lineChart({ title, lines, tokens, drag, chosen }) {
  const step = 30, height = 170, top = 26, all = lines.flatMap(line => [...line.values]);
  const low = Math.min(-0.1, ...all), high = Math.max(1, ...all), width = step * tokens.length + 50;
  const y = value => top + (height - 10) * (high - value) / (high - low), x = t => 40 + step * (t + 0.5);
  const longest = Math.max(...tokens.map(token => [...token].length));
  const order = lines.map((line, n) => ({ ...line, n })) // the chosen one on top
    .sort((a, b) => (a.name === chosen) - (b.name === chosen));
  const drawn = order.flatMap(({ name, values, share, n }) => [
    svg("polyline", { fill: "none", class: `line ink-${n % 7}`, "stroke-width": name === chosen ? 3 : 1.5,
      points: [...values].map((value, t) => `${x(t)},${y(value)}`).join(" ") }),
    svg("text", { x: 40 + n * 75, y: 14, class: `line-name ink-${n % 7}` }, name),
    ...[...values].map((value, t) => draggable(svg("circle", { cx: x(t), cy: y(value), r: 5, class: `point ink-${n % 7}`,
      "data-line": name, "data-position": t }, svg("title", {}, `${name}, ${tokens[t]}: ${number(value)}`)),
    value, (height - 10) / (high - low), share, drag && (now => drag(n, t, now))))]);
  const marks = [low, 0, high].filter((mark, n, every) => every.indexOf(mark) === n).flatMap(mark => [
    svg("line", { x1: 40, x2: width, y1: y(mark), y2: y(mark), class: "axis" }),
    svg("text", { x: 36, y: y(mark) + 4, "text-anchor": "end" }, mark.toFixed(1))]);
  const bottom = top + height + 4;
  const words = tokens.map((token, t) => svg("text", { "text-anchor": "end", transform: `translate(${x(t) + 4},${bottom}) rotate(-60)` }, token));
  const whole = bottom + 12 + 7 * Math.min(longest, 24), wide = Math.max(width + 10, 40 + 75 * lines.length);
  return svg("svg", { id: "lines", viewBox: `0 0 ${wide} ${whole}`, width: wide, height: whole, class: "picture" },
    svg("title", {}, title), marks, drawn, words);
}

function draggable(point, value, pixels, share, drag) {
  if (!drag) return point;
  point.addEventListener("pointerdown", down => {
    down.preventDefault();
    const at = event => {
      const now = value - (event.clientY - down.clientY) / pixels;
      return share ? Math.min(Math.max(now, 0), 1) : now;
    };
    let took = 0;
    const move = event => {
      point.setAttribute("cy", Number(point.getAttribute("cy")) + event.movementY);
      if (took > LIVE) return;
      const begun = performance.now();
      drag(at(event));
      took = performance.now() - begun;
    };
    const up = event => {
      document.removeEventListener("pointermove", move);
      for (const kind of ["pointerup", "pointercancel"]) document.removeEventListener(kind, up);
      if (event.type === "pointerup" && event.clientY !== down.clientY) drag(at(event));
    };
    document.addEventListener("pointermove", move);
    for (const kind of ["pointerup", "pointercancel"]) document.addEventListener(kind, up);
  });
  return point;
}

// Arcs from each query to the keys that it looks at, as strong as the weight; a ring to itself.
function arcs(weights, tokens, title) {
  const step = 36, top = 24 + tokens.length * step / 2, width = step * (tokens.length + 1);
  const longest = Math.max(...tokens.map(token => [...token].length)), height = top + 16 + 7 * Math.min(longest, 24);
  const drawn = weights.flatMap((row, t) => [...row].map((weight, s) => ({ t, s, weight })))
    .filter(({ weight }) => weight > 0.02)
    .map(({ t, s, weight }) => {
      const [a, b] = [step * (s + 1), step * (t + 1)], size = { class: "arc", "stroke-width": (4 * weight).toFixed(2),
        "stroke-opacity": (0.25 + 0.75 * weight).toFixed(2) };
      const said = svg("title", {}, `${tokens[t]} looks at ${tokens[s]}: ${weight.toFixed(3)}`);
      if (s === t) return svg("circle", { cx: a, cy: top - 8, r: 5, ...size }, said);
      const half = Math.abs(b - a) / 2;
      return svg("path", { d: `M${a},${top - 3} A${half},${half} 0 0 ${s < t ? 1 : 0} ${b},${top - 3}`, ...size }, said);
    });
  const words = tokens.map((token, t) => svg("text", { "text-anchor": "end",
    transform: `translate(${step * (t + 1) + 4},${top + 12}) rotate(-60)` }, token));
  return svg("svg", { viewBox: `0 0 ${width} ${height}`, width, height, class: "picture arcs" },
    svg("title", {}, `${title}, as arcs`), drawn, words);
}

function thumbnail(values, n) {
  const largest = largestOf(values), size = Math.min(4, Math.max(1, 80 / Math.max(values.length, values[0].length)));
  const cells = values.flatMap((row, r) => row.map((value, c) => svg("rect", { x: c * size, y: r * size,
    width: size, height: size, ...inkOf(value, largest) })));
  return svg("svg", { width: size * values[0].length, height: size * values.length, class: "thumbnail picture" },
    svg("title", {}, `head ${n}`), cells);
}

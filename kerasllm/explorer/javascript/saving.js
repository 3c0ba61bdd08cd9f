// A view as an SVG file that stands by itself: on white, with no style sheet but its own.

const LIGHT = { before: "#5b6168", after: "#0b5cad", second: "#2e7d32", ink: "#1c1e21", link: "#0b5cad" };
const INKS = ["#b03030", "#2060b0", "#2e7d32", "#8a5a00", "#6a3fa0", "#00707c", "#666"]; // as .ink-0 and so on
const SVG_STYLE = `text{font-family:system-ui,"Noto Sans","Noto Sans CJK SC",sans-serif;fill:${LIGHT.ink}}`
  + ".picture text{font-size:11px}.up{fill:#c62828}.down{fill:#1565c0}.axis{stroke:#ccc}"
  + ".cell{stroke:#ddd;stroke-width:.5}.cell.chosen{stroke:#000;stroke-width:2}.arc{fill:none;stroke:#c62828}"
  + INKS.map((ink, n) => `.line.ink-${n}{stroke:${ink}}.point.ink-${n},.line-name.ink-${n}{fill:${ink}}`).join("");

// Every text of a view where it stands, its bars as rectangles, and its pictures.
function pictureOf(view, title) {
  const all = view.getBoundingClientRect(), width = Math.ceil(Math.max(view.scrollWidth, all.width)) + 24;
  const made = [], at = rect => [rect.left - all.left + 12 + view.scrollLeft, rect.top - all.top + 44];
  for (const picture of view.querySelectorAll("svg.picture")) {
    const rect = picture.getBoundingClientRect(), [x, y] = at(rect), copy = picture.cloneNode(true);
    if (!rect.width) continue;
    for (const [name, value] of Object.entries({ x, y, width: rect.width, height: rect.height })) copy.setAttribute(name, value);
    copy.removeAttribute("id");
    made.push(copy);
  }
  for (const bar of view.querySelectorAll(".bar")) {
    const rect = bar.getBoundingClientRect(), [x, y] = at(rect);
    made.push(svg("rect", { x, y, width: rect.width, height: rect.height, fill: LIGHT[bar.classList[1]] }));
  }
  const walker = document.createTreeWalker(view, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const node = walker.currentNode, parent = node.parentElement;
    if (parent.closest("svg, select, input, label, button:not(.link):not(.token):not(.head)")) continue;
    for (const { text, rect } of linesOf(node)) {
      const [x, y] = at(rect), style = getComputedStyle(parent), size = parseFloat(style.fontSize);
      made.push(svg("text", { x, y: y + rect.height / 2 + size * 0.36, "font-size": size, "font-weight": style.fontWeight,
        ...(parent.closest(".link") ? { style: `fill:${LIGHT.link}` } : {}) }, text));
    }
  }
  const height = Math.ceil(view.scrollHeight) + 60;
  return svg("svg", { xmlns: "http://www.w3.org/2000/svg", viewBox: `0 0 ${width} ${height}`, width, height },
    svg("title", {}, title), svg("style", {}, SVG_STYLE), svg("rect", { width, height, fill: "#fff" }),
    svg("text", { x: 12, y: 26, "font-size": 15, "font-weight": "bold" }, title), made);
}

// A text as it is broken into lines on the page.
function linesOf(node) {
  const lines = [], range = document.createRange();
  for (const { 0: word, index } of node.data.matchAll(/\S+\s*/gu)) {
    range.setStart(node, index);
    range.setEnd(node, index + word.trimEnd().length);
    const rect = range.getBoundingClientRect(), last = lines.at(-1);
    if (!rect.width) continue; // not shown
    if (last && Math.abs(last.rect.top - rect.top) < 2) last.text += word;
    else lines.push({ text: word, rect });
  }
  return lines.map(line => ({ ...line, text: line.text.trimEnd() }));
}

// The file's text; the name of the text that is read stands in its title.
function savedView(id, heading) {
  const title = `${heading}: ${state.text}`.replace(/\s+/g, " ").slice(0, 90);
  return new XMLSerializer().serializeToString(pictureOf(place(id), title));
}

function saveView(id, heading) {
  const link = element("a", { download: `${heading.replace(/[^\w-]+/g, "_").toLowerCase()}.svg`,
    href: `data:image/svg+xml;charset=utf-8,${encodeURIComponent(savedView(id, heading))}` });
  link.click();
  return link;
}

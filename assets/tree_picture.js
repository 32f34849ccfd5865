// Taking a tree away: a picture of what is on show (SVG or PNG, on paper white), its JSON, and a JSON brought back.
// Builds pictures from the layout the browser has; the JSON comes from and goes to the server.
(() => {
  "use strict";
  const Forklore = (window.Forklore = window.Forklore || {});
  const { dom, format, scale, treeLayout, treeTint, chart } = Forklore;
  const { svg } = dom;
  const HEAD = 60;
  const MOST_PIXELS = 14000; // beyond this browsers refuse to make a bitmap
  const PAPER = { ink: "#1d1c1a", soft: "#605c55", line: "#a8a298", accent: "#9a3412", card: "#ffffff" };
  const SERIF = '"Source Serif 4", "Source Serif Pro", Charter, Georgia, "Noto Serif", "DejaVu Serif", serif';
  const SANS = 'Inter, "Source Sans 3", "Helvetica Neue", Arial, "DejaVu Sans", sans-serif';

  const text = (x, y, content, more) => svg("text", { x, y, text: content, fill: PAPER.ink, "font-family": SERIF, "font-size": 17, ...more });
  const paper = (piece, node) => treeTint.paperOf(piece.tint(node));

  function chipParts(piece, item) {
    const y = treeLayout.middle(item.line.row);
    const tint = paper(piece, item.node);
    const out = [];
    if (tint) out.push(svg("rect", { x: item.x, y: y - 12, width: item.w, height: 24, rx: 3, fill: scale.rgb(tint) }));
    const mark = piece.data.markOf(item.node);
    if (mark) out.push(text(item.x + 2, y + 5, mark, { "font-size": 12, fill: PAPER.accent, "font-family": SANS }));
    out.push(text(item.x + 3 + (mark ? 15 : 0), y + 6, item.label, { fill: piece.data.flag(item.node, "control") ? PAPER.soft : scale.rgb(tint ? scale.inkOn(tint, false) : [29, 28, 26]) }));
    if (item.percent) out.push(text(item.x + item.w - 3, y + 5, item.percent, { "font-size": 11.5, "font-family": SANS, "text-anchor": "end", fill: PAPER.soft }));
    if (item.node === piece.selected) out.push(svg("rect", { x: item.x - 1, y: y - 13, width: item.w + 2, height: 26, rx: 4, fill: "none", stroke: PAPER.ink, "stroke-width": 1.5 }));
    return out;
  }

  function drawChips(piece) {
    const { plan } = piece.chips;
    const way = new Set(piece.way());
    const edges = plan.edges.map((edge) => svg("path", { d: treeLayout.elbow(edge), fill: "none", "stroke-linecap": "round", stroke: way.has(edge.child) ? PAPER.accent : PAPER.line, "stroke-width": (1 + 6 * piece.data.probability(edge.child)).toFixed(1) }));
    const words = plan.lines.flatMap((line) => [...line.items.flatMap((item) => chipParts(piece, item)),
      ...line.pills.map((pill) => text(pill.x + 9, treeLayout.middle(line.row) + 4, pill.text, { "font-size": 11.5, "font-family": SANS, fill: pill.kind === "run" ? PAPER.accent : PAPER.soft }))]);
    return { nodes: [...edges, ...words], width: plan.width, height: plan.height };
  }

  function drawIcicle(piece) {
    const nodes = [...piece.icicle.places].flatMap(([node, at]) => {
      const label = piece.data.label(node);
      const room = Math.floor((at.w - 8) / 7);
      const tint = paper(piece, node);
      return [svg("rect", { x: at.x, y: at.y.toFixed(2), width: at.w, height: Math.max(0.5, at.h - (at.h > 4 ? 1 : 0)).toFixed(2), fill: tint ? scale.rgb(tint) : PAPER.card, stroke: PAPER.line, "stroke-width": 0.5 }),
        at.h >= 15 && text(at.x + 4, at.y + Math.min(at.h / 2 + 5, 18), format.cut(label, room), { "font-size": 13, fill: scale.rgb(tint ? scale.inkOn(tint, false) : [29, 28, 26]) })].filter(Boolean);
    });
    return { nodes, ...piece.icicle.plan };
  }

  /** What is on show as SVG text: {text, width, height}. */
  function picture(piece) {
    const drawing = piece.view.state.mode === "icicle" ? drawIcicle(piece) : drawChips(piece);
    const title = format.label(piece.data.header.title || "Branching tree");
    const hidden = piece.shape.hidden.nodes;
    const note = [`${format.count(piece.data.size)} tokens in the tree`, hidden ? `${format.count(hidden)} hidden (share below ${format.percent(piece.shape.state.prune)})` : "", piece.view.state.mode === "icicle" ? "height = probability" : "width of a line = probability at the fork"].filter(Boolean).join(" · ");
    const width = Math.max(640, drawing.width);
    const height = drawing.height + HEAD + 8;
    const root = svg("svg", { xmlns: "http://www.w3.org/2000/svg", width, height, viewBox: `0 0 ${width} ${height}`, role: "img" },
      svg("title", { text: title }), svg("rect", { width, height, fill: PAPER.card }),
      text(16, 26, format.cut(title, 110), { "font-size": 15, "font-weight": 600, "font-family": SANS }), text(16, 45, note, { "font-size": 11.5, "font-family": SANS, fill: PAPER.soft }),
      svg("g", { transform: `translate(0 ${HEAD})` }, drawing.nodes));
    return { text: new XMLSerializer().serializeToString(root), width, height };
  }

  async function save(piece, ending) {
    const drawing = picture(piece);
    const name = `${dom.fileName(piece.data.header.title, "tree")}-tree.${ending}`;
    const factor = Math.min(2, MOST_PIXELS / Math.max(drawing.width, drawing.height));
    dom.download(name, ending === "svg" ? drawing.text : await chart.toPng(drawing, factor), ending === "svg" ? "image/svg+xml" : "image/png");
    piece.say(`Saved ${name}.`);
  }

  /** Asks for a file and hands its text on. */
  function load(piece) {
    const input = dom.el("input", { type: "file", accept: ".json,application/json", hidden: true, "aria-label": "A tree as JSON" });
    input.addEventListener("change", async () => {
      const file = input.files[0];
      input.remove();
      if (file) piece.emit("tree_import", { text: await file.text() });
    });
    piece.root.append(input);
    input.click();
  }

  /** What the menu of files offers. */
  function items(piece) {
    const nothing = !piece.data.size;
    return [
      { heading: "Picture of what is on show" },
      { label: "As SVG", disabled: nothing, run: () => save(piece, "svg") },
      { label: "As PNG", disabled: nothing, run: () => save(piece, "png") },
      { heading: "The whole tree" },
      { label: "Save as JSON", hint: "every token, bookmark, note and tag, with the noise it was grown with", disabled: nothing, run: () => piece.askExport() },
      { label: "Load JSON…", hint: "a tree of this run that was saved before", disabled: !piece.data.header, run: () => load(piece) },
    ];
  }

  Forklore.treeFiles = { items, picture };
})();

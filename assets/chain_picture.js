// The chain as a picture of its own, on paper white: title, what the answer rests on, key, text with tints and arcs.
// Words stand where a frame of fixed width would put them; does not depend on the page's colours.
(() => {
  "use strict";
  const Forklore = (window.Forklore = window.Forklore || {});
  const { dom, format, scale, chainArcs, chainWords } = Forklore;
  const { svg } = dom;
  const WIDTH = 960;
  const MARGIN = 24;
  const PAPER = {
    ink: "#1d1c1a", soft: "#605c55", card: "#ffffff", accent: "#9a3412", control: "#8d877c",
    sans: 'Inter, "Source Sans 3", "Helvetica Neue", Arial, "DejaVu Sans", sans-serif',
  };
  const rgb = (c) => `rgb(${c.join(",")})`;

  /** Text in lines of at most so many characters. */
  function wrapped(text, most, lines = 3) {
    const out = [""];
    for (const word of text.split(" ")) {
      if (out.at(-1).length + word.length > most) out.push("");
      out[out.length - 1] += (out.at(-1) ? " " : "") + word;
    }
    return out.slice(0, lines);
  }

  const write = (x, y, size, fill, text, more) => svg("text", { x: x.toFixed(1), y: y.toFixed(1), "font-size": size, "font-family": PAPER.sans, fill, text, ...more });

  /** A word with its tint, its outline and the answer's line. */
  function wordMarks({ data, limit, ramp }, box, t, serif) {
    const row = data.at.get(t);
    const nodes = [];
    const frame = { x: (box.left - 1).toFixed(1), y: (box.top + 1).toFixed(1), width: (box.right - box.left + 2).toFixed(1), height: (box.bottom - box.top - 2).toFixed(1), rx: 4 };
    let ink = PAPER.ink;
    if (row && row.hop <= limit) {
      const tint = scale.color(ramp, false, data.share(row));
      ink = rgb(scale.inkOn(tint, false));
      nodes.push(svg("rect", { ...frame, fill: rgb(tint), stroke: row.kept ? PAPER.accent : PAPER.control, "stroke-opacity": row.kept ? 0.75 : 0.8, "stroke-width": row.kept ? 1.3 : 1, "stroke-dasharray": row.kept ? undefined : "3 2.4" }));
    }
    if (data.isAnswer(t)) nodes.push(svg("rect", { x: box.left, y: box.bottom - 1, width: box.right - box.left, height: 3, fill: PAPER.accent }));
    const shown = (data.pieces[t] || "").replace(/^ +(?=[^ ])/, "").replace(/\n+/g, "");
    const text = shown === "" ? "" : /^\s+$/.test(shown) ? "" : format.segments(shown).map((part) => part.mark || part.text).join("");
    if (text) nodes.push(write(box.left, box.bottom - 6, 18, data.isAnswer(t) ? PAPER.accent : ink, text, { "font-family": serif, "font-weight": data.isAnswer(t) ? 600 : undefined, textLength: (box.right - box.left).toFixed(1), lengthAdjust: "spacingAndGlyphs" }));
    return nodes;
  }

  /** The strongest arcs, as the page shows them. */
  function arcs({ data, count, limit }, places) {
    const shown = chainArcs.strongest(data.arcs, count, limit);
    return chainArcs.layout(data.arcs, places).filter(({ arc }) => shown.has(arc)).flatMap(({ d, x, y, width }) => [
      svg("path", { d, fill: "none", stroke: PAPER.accent, "stroke-opacity": 0.34, "stroke-width": width.toFixed(2), "stroke-linecap": "round" }), svg("circle", { cx: x.toFixed(1), cy: y.toFixed(1), r: Math.max(1.7, width * 0.62).toFixed(2), fill: PAPER.accent, "fill-opacity": 0.5 }),
    ]);
  }

  /** The key, one line. */
  function key(data, y, ramp) {
    const nodes = [write(MARGIN, y, 12, PAPER.soft, "score 0")];
    for (let i = 0; i < 24; i += 1) nodes.push(svg("rect", { x: MARGIN + 50 + i * 3.5, y: y - 9, width: 3.6, height: 9, fill: rgb(scale.color(ramp, false, (i + 0.5) / 24)) }));
    nodes.push(write(MARGIN + 140, y, 12, PAPER.soft, format.number(data.largest, 3)));
    let x = MARGIN + 200;
    for (const [text, dash, stroke] of [["kept", undefined, PAPER.accent], ["in the chain, not kept", "3 2.4", PAPER.control]]) {
      nodes.push(svg("rect", { x, y: y - 11, width: 24, height: 14, rx: 4, fill: "none", stroke, "stroke-width": 1.2, "stroke-dasharray": dash }), write(x + 31, y, 12, PAPER.soft, text));
      x += 56 + text.length * 5.8;
    }
    nodes.push(svg("rect", { x, y: y + 1, width: 24, height: 3, fill: PAPER.accent }), write(x + 31, y, 12, PAPER.soft, "the answer"));
    nodes.push(svg("path", { d: `M${x + 112} ${y}c6 -14 24 -14 30 0`, fill: "none", stroke: PAPER.accent, "stroke-opacity": 0.5, "stroke-width": 2.4 }), write(x + 150, y, 12, PAPER.soft, "rests on an earlier token; thickness = weight"));
    return nodes;
  }

  /** {text, width, height} of a file's worth of SVG. context: {data, text, count, limit, ramp}. */
  Forklore.chainPicture = (context) => {
    const { data, ramp } = context;
    // the very font that the places were measured with
    const serif = getComputedStyle(context.text.words).fontFamily;
    const measured = context.text.measureAt(WIDTH - 2 * MARGIN);
    const title = format.label(data.header.title || "Attention chain");
    const said = wrapped(chainWords.sentence(data, () => {}).map((node) => (typeof node === "string" ? node : node.textContent)).join(""), 118, 2);
    const facts = wrapped(chainWords.facts(data), 150, 2);
    const head = 54 + said.length * 20 + facts.length * 16 + 26;
    const height = Math.ceil(head + measured.height + 20);
    const root = svg("svg", { xmlns: "http://www.w3.org/2000/svg", width: WIDTH, height, viewBox: `0 0 ${WIDTH} ${height}`, role: "img" }, svg("title", { text: title }), svg("rect", { width: WIDTH, height, fill: PAPER.card }),
      write(MARGIN, 30, 15, PAPER.ink, format.cut(title, 100), { "font-weight": 600 }),
      ...said.map((line, i) => write(MARGIN, 54 + 20 * i, 14.5, PAPER.ink, line, { "font-family": serif })),
      ...facts.map((line, i) => write(MARGIN, 54 + 20 * said.length + 16 * i, 11.5, PAPER.soft, line)), ...key(data, head - 22, ramp),
      svg("g", { transform: `translate(${MARGIN} ${head})` }, arcs(context, measured.places), measured.places.flatMap((box, t) => (box ? wordMarks(context, box, t, serif) : []))));
    return { text: new XMLSerializer().serializeToString(root), width: WIDTH, height };
  };
})();

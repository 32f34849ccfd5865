// Labels drawn below the words they lie on: a stroke in the label's colour and pattern, its name at its end, labels that
// meet on different lanes. Measures words and places strokes; does not know what may be labelled.
(() => {
  "use strict";
  const Forklore = (window.Forklore = window.Forklore || {});
  const { dom } = Forklore;
  const { el } = dom;
  const LANE = 13;
  const GAP = 4;
  const MOST_LANES = 8;
  const TAG_FONT = "11px";

  let pen = null;
  const widths = new Map();
  /** Width of a name as it is written at a stroke's end. */
  function tagWidth(name, family) {
    const key = `${family} ${name}`;
    if (widths.has(key)) return widths.get(key);
    pen = pen || document.createElement("canvas").getContext("2d");
    pen.font = `600 ${TAG_FONT} ${family}`;
    const width = Math.min(180, Math.ceil(pen.measureText(name).width) + 16);
    widths.set(key, width);
    return width;
  }

  /** The lines that tokens start to stop - 1 cover: [{left, right, bottom}], in the frame of `origin`. */
  function lines(nodes, start, stop, origin) {
    const found = [];
    for (let t = start; t < stop; t += 1) {
      for (const box of nodes[t]?.lastChild.getClientRects() || []) {
        if (box.width <= 0) continue;
        const here = { left: box.left - origin.left, right: box.right - origin.left, bottom: box.bottom - origin.top };
        const last = found.at(-1);
        if (last && Math.abs(last.bottom - here.bottom) < 8) Object.assign(last, { left: Math.min(last.left, here.left), right: Math.max(last.right, here.right) });
        else found.push(here);
      }
    }
    return found;
  }

  /** The range without the blanks at its ends, which may hang at the end of another line. */
  function visible(nodes, start, stop) {
    const blank = (t) => !nodes[t]?.textContent.trim() && !nodes[t]?.querySelector(".fl-mark");
    let [from, to] = [start, stop];
    while (from < to - 1 && blank(from)) from += 1;
    while (to > from + 1 && blank(to - 1)) to -= 1;
    return [from, to];
  }

  const meets = (a, b) => Math.abs(a.bottom - b.bottom) < 8 && a.from < b.to + GAP && b.from < a.to + GAP;

  /** Strokes with their lanes: [{row, lines, tag, lane}], rows = [{start, stop, name, look}] in order of their start. */
  function layout(nodes, rows, frame, family) {
    const origin = frame.getBoundingClientRect();
    const taken = [];
    return rows.map((row) => {
      const parts = lines(nodes, ...visible(nodes, row.start, row.stop), origin);
      const wide = tagWidth(row.name, family);
      const last = parts.at(-1);
      // behind the stroke where there is room, else over its end
      const tag = last ? { left: Math.max(0, Math.min(last.right, origin.width - wide)), wide } : null;
      const blocks = parts.map((part) => ({ bottom: part.bottom, from: part.left, to: part.right }));
      if (last) Object.assign(blocks.at(-1), { from: Math.min(last.left, tag.left), to: Math.max(last.right, tag.left + wide) });
      let lane = 0;
      while (lane < MOST_LANES - 1 && blocks.some((block) => (taken[lane] || []).some((other) => meets(block, other)))) lane += 1;
      (taken[lane] = taken[lane] || []).push(...blocks);
      return { row, parts, tag, lane };
    });
  }

  /** Draws strokes and names into `host`; returns how many lanes they need. */
  function draw(host, nodes, rows, frame) {
    const family = getComputedStyle(host).fontFamily;
    const placed = layout(nodes, rows, frame, family);
    host.replaceChildren(...placed.flatMap(({ row, parts, tag, lane }) => {
      const look = `fl-an-hue${row.hue} fl-an-stroke${row.stroke}${row.kind ? ` ${row.kind}` : ""}`;
      const at = (part) => `${part.bottom + 1 + lane * LANE}px`;
      const strokes = parts.map((part) => el("i", { class: `fl-an-line ${look}`, style: { left: `${part.left}px`, top: at(part), width: `${Math.max(3, part.right - part.left)}px` } }));
      const name = tag && el("b", { class: `fl-an-tag ${look}`, text: row.name, style: { left: `${tag.left}px`, top: at(parts.at(-1)), width: `${tag.wide}px` } });
      return name ? [...strokes, name] : strokes;
    }));
    return placed.reduce((most, { lane }) => Math.max(most, lane + 1), 0);
  }

  Forklore.annotationLanes = { draw, LANE };
})();

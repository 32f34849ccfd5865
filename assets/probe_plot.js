// Effects of a probe as dots with intervals, one row a value, as SVG: for the page, a file and print.
// A pure drawing: what to draw and in which colours is handed in.
(() => {
  "use strict";
  const Forklore = (window.Forklore = window.Forklore || {});
  const { dom, format } = Forklore;
  const { svg } = dom;

  const ROW = 64;
  const TOP = 12;
  const BOTTOM = 44;
  const RIGHT = 22;
  const KINDS = ["total", "direct", "chance", "direct_chance"];
  const NAMES = { total: "total", direct: "direct", chance: "other luck", direct_chance: "held, other luck" };

  const PAGE = {
    ink: "var(--fl-ink)", soft: "var(--fl-soft)", line: "var(--fl-line)", strong: "var(--fl-line-strong)", card: "var(--fl-card)", sans: "inherit",
    kinds: { total: "var(--fl-c2)", direct: "var(--fl-c1)", chance: "var(--fl-faint)", direct_chance: "var(--fl-faint)" },
  };
  const PAPER = {
    ink: "#1d1c1a", soft: "#605c55", line: "#e6e2da", strong: "#c9c3b8", card: "#ffffff",
    sans: 'Inter, "Source Sans 3", "Helvetica Neue", Arial, "DejaVu Sans", sans-serif',
    kinds: { total: "#b65f1c", direct: "#33608c", chance: "#6f6a62", direct_chance: "#6f6a62" },
  };

  /** About `wanted` round numbers from low to high. */
  function ticks(low, high, wanted) {
    const rough = (high - low) / Math.max(1, wanted);
    if (!(rough > 0)) return [low];
    const unit = 10 ** Math.floor(Math.log10(rough));
    const step = [1, 2, 2.5, 5, 10].find((m) => m * unit >= rough * 0.8) * unit;
    const out = [];
    for (let v = Math.ceil(low / step - 1e-9) * step; v <= high + step * 1e-6; v += step) out.push(Math.abs(v) < step * 1e-9 ? 0 : Number(v.toPrecision(12)));
    return out;
  }

  /** [low, high] of the axis: all of 0 to 1 for shares, else every bound there is and 0. */
  function range(rows, measure) {
    if (measure === "changed") return [0, 1];
    const known = rows.flatMap((row) => KINDS.map((kind) => row[kind]).filter(Boolean).flatMap((e) => [e.value, e.low, e.high]).filter(format.exists));
    const [low, high] = [Math.min(0, ...known), Math.max(0, ...known)];
    const room = (high - low || 1) * 0.06;
    return [low - (low < 0 ? room : 0), high + (high > 0 || low === high ? room : 0)];
  }

  const { cut } = format;

  /** One estimate: dot, square, diamond or bar by its kind, so that colour is never all there is to tell them apart. */
  function mark(kind, x, y, color, card) {
    if (kind === "total") return svg("circle", { cx: x, cy: y, r: 5, fill: color });
    if (kind === "direct") return svg("rect", { x: x - 4.5, y: y - 4.5, width: 9, height: 9, fill: card, stroke: color, "stroke-width": 2 });
    if (kind === "direct_chance") return svg("path", { d: `M${x} ${y - 6}L${x + 6} ${y}L${x} ${y + 6}L${x - 6} ${y}Z`, fill: card, stroke: color, "stroke-width": 2 });
    return svg("path", { d: `M${x} ${y - 6}V${y + 6}`, stroke: color, "stroke-width": 3 });
  }

  /**
   * rows: [{label, total, direct, chance, direct_chance}], each an estimate {value, low, high} or null; measure: "changed" or "difference".
   * Returns {nodes, width, height}.
   */
  function draw(rows, { measure, width, palette, axis }) {
    const left = Math.min(190, Math.max(70, width * 0.26));
    const plot = width - left - RIGHT;
    const height = TOP + rows.length * ROW + BOTTOM;
    const [low, high] = range(rows, measure);
    const x = (v) => left + ((v - low) / (high - low)) * plot;
    const text = (at, up, words, more) => svg("text", { x: at, y: up, fill: palette.soft, "font-size": 12, "font-family": palette.sans, text: words, ...more });
    const floor = TOP + rows.length * ROW;
    const nodes = ticks(low, high, Math.max(2, Math.min(5, plot / 90))).map((tick) => [
      svg("line", { x1: x(tick), x2: x(tick), y1: TOP, y2: floor, stroke: tick === 0 && measure !== "changed" ? palette.strong : palette.line, "stroke-width": 1, "shape-rendering": "crispEdges" }),
      text(x(tick), floor + 16, measure === "changed" ? format.percent(tick, 0) : format.number(tick, 3).replace(/(\.\d*?)0+$/, "$1").replace(/\.$/, ""), { "text-anchor": "middle", "font-variant-numeric": "tabular-nums" }),
    ]).flat();
    nodes.push(text(left + plot / 2, floor + 36, axis, { "text-anchor": "middle" }));
    rows.forEach((row, i) => {
      const middle = TOP + i * ROW + ROW / 2;
      nodes.push(text(left - 12, middle + 4, cut(format.label(row.label), Math.floor((left - 14) / 6.8)), { "text-anchor": "end", fill: palette.ink, "font-size": 13 }));
      if (i) nodes.push(svg("line", { x1: 0, x2: width, y1: middle - ROW / 2, y2: middle - ROW / 2, stroke: palette.line, "shape-rendering": "crispEdges" }));
      const shown = KINDS.filter((kind) => row[kind] && format.exists(row[kind].value));
      shown.forEach((kind, k) => {
        const estimate = row[kind];
        const y = middle + (k - (shown.length - 1) / 2) * 14;
        const color = palette.kinds[kind];
        if (format.exists(estimate.low)) nodes.push(svg("line", { x1: x(estimate.low), x2: x(estimate.high), y1: y, y2: y, stroke: color, "stroke-width": 2, "stroke-dasharray": estimate.exact ? "3 3" : undefined }));
        nodes.push(mark(kind, x(estimate.value), y, color, palette.card));
      });
      if (!shown.length) nodes.push(text(left + 8, middle + 4, format.NA));
    });
    return { nodes, width, height };
  }

  /** The key: [svg sign, words] of each kind that is drawn. */
  function key(kinds, palette) {
    return kinds.map((kind) => [kind, NAMES[kind], svg("svg", { width: 30, height: 14, "aria-hidden": "true" },
      svg("line", { x1: 1, x2: 29, y1: 7, y2: 7, stroke: palette.kinds[kind], "stroke-width": 2 }), mark(kind, 15, 7, palette.kinds[kind], palette.card))]);
  }

  /** A file's worth of SVG text: light background, title, key and note, fonts with fallbacks. */
  function toSvgText(rows, { measure, axis, kinds, title, note }) {
    const width = 860;
    const plan = draw(rows, { measure, width: width - 32, palette: PAPER, axis });
    const head = 84;
    const height = plan.height + head + 16;
    const words = (x, y, size, fill, text, more) => svg("text", { x, y, "font-size": size, "font-family": PAPER.sans, fill, text, ...more });
    const signs = key(kinds, PAPER).flatMap(([, name, sign], i) => [svg("g", { transform: `translate(${16 + i * 150} 60)` }, sign), words(52 + i * 150, 71, 12, PAPER.soft, name)]);
    const root = svg("svg", { xmlns: "http://www.w3.org/2000/svg", width, height, viewBox: `0 0 ${width} ${height}`, role: "img" },
      svg("title", { text: title }), svg("rect", { width, height, fill: PAPER.card }), words(16, 26, 15, PAPER.ink, cut(title, 100), { "font-weight": 600 }),
      words(16, 45, 11.5, PAPER.soft, cut(note, 140)), signs, svg("g", { transform: `translate(16 ${head})` }, plan.nodes));
    return { text: new XMLSerializer().serializeToString(root), width, height };
  }

  Forklore.probePlot = { draw, key, toSvgText, PAGE, KINDS, NAMES };
})();

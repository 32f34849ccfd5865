// Draws scores over token position as SVG: one small panel a score, each with its own axis in true units.
// A pure drawing: what to draw and in which colours is handed in, so the same lines serve page, file and print.
(() => {
  "use strict";
  const Forklore = (window.Forklore = window.Forklore || {});
  const { dom, format, readout } = Forklore;
  const { svg } = dom;

  const LEFT = 52;
  const RIGHT = 14;
  const PANEL = 104;
  const GAP = 30;
  const TOP = 24;
  const BOTTOM = 30;
  const DOTS_UP_TO = 260;

  const PAGE = {
    ink: "var(--fl-ink)", soft: "var(--fl-soft)", line: "var(--fl-line)", card: "var(--fl-card)",
    series: ["var(--fl-accent)", "var(--fl-bar)", "var(--fl-c3)"], sans: "inherit",
  };
  const PAPER = {
    ink: "#1d1c1a", soft: "#605c55", line: "#e6e2da", card: "#ffffff", series: ["#9a3412", "#4b74ae", "#8a5a97"],
    sans: 'Inter, "Source Sans 3", "Helvetica Neue", Arial, "DejaVu Sans", sans-serif',
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

  /** Where everything goes: {width, height, x(i), at(px), panels: [{entry, top, y(v), low, high, color}]}. */
  function layout(trace, { names, from, to, width, bits, palette }) {
    const span = Math.max(1, to - from);
    const plot = width - LEFT - RIGHT;
    const panels = names.map((name) => trace.score(name)).filter(Boolean).map((entry, k) => {
      const sorted = trace.sorted(entry.name);
      const value = (v) => format.convert(v, entry.unit, bits);
      const least = sorted.length ? sorted[0] : 0;
      const most = sorted.length ? sorted[sorted.length - 1] : 1;
      const low = value(Math.min(least, typeof entry.low === "number" && entry.low >= 0 ? entry.low : least));
      const high = Math.max(value(most), low + 1e-9);
      const top = TOP + k * (PANEL + GAP);
      return { entry, top, low, high, value, color: palette.series[k % palette.series.length], y: (v) => top + PANEL - ((value(v) - low) / (high - low)) * PANEL };
    });
    return {
      width, plot, left: LEFT, top: TOP, from, to, panels, height: TOP + panels.length * (PANEL + GAP) - GAP + BOTTOM, bottom: TOP + panels.length * (PANEL + GAP) - GAP,
      x: (i) => LEFT + ((i - from + 0.5) / span) * plot,
      at: (px) => Math.max(from, Math.min(to - 1, Math.floor(from + ((px - LEFT) / plot) * span))),
      pitch: plot / span,
    };
  }

  /** Points of a curve as runs without gaps; where tokens are denser than pixels, each pixel keeps its extremes. */
  function runs(trace, plan, panel) {
    const { from, to, x } = plan;
    const bucket = Math.max(1, Math.floor(1 / plan.pitch));
    const out = [];
    let run = [];
    const cut = () => { if (run.length) out.push(run); run = []; };
    for (let i = from; i < to; i += bucket) {
      let [low, high] = [-1, -1];
      for (let j = i; j < Math.min(to, i + bucket); j += 1) {
        const value = trace.value(j, panel.entry.name);
        if (value === null) { if (bucket === 1) cut(); continue; }
        if (low < 0 || value < trace.value(low, panel.entry.name)) low = j;
        if (high < 0 || value > trace.value(high, panel.entry.name)) high = j;
      }
      for (const j of low === high ? [low] : [low, high].sort((a, b) => a - b)) if (j >= 0) run.push([x(j), panel.y(trace.value(j, panel.entry.name))]);
    }
    cut();
    return out;
  }

  const path = (points) => points.map(([x, y], i) => `${i ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`).join("");

  function drawPanel(trace, plan, panel, options) {
    const { palette, hot, bits } = options;
    const floor = panel.top + PANEL;
    const unit = format.unitName(panel.entry.unit, bits);
    const group = svg("g");
    const text = (x, y, content, more) => svg("text", { x, y, fill: palette.soft, "font-size": 11, "font-family": palette.sans, text: content, ...more });
    for (const tick of ticks(panel.low, panel.high, 3)) {
      const y = floor - ((tick - panel.low) / (panel.high - panel.low)) * PANEL;
      group.append(svg("line", { x1: plan.left, x2: plan.left + plan.plot, y1: y, y2: y, stroke: palette.line, "stroke-width": 1, "shape-rendering": "crispEdges" }),
        text(plan.left - 8, y + 4, format.number(tick, 3).replace(/(\.\d*?)0+$/, "$1").replace(/\.$/, ""), { "text-anchor": "end", "font-variant-numeric": "tabular-nums" }));
    }
    const label = svg("text", { x: plan.left, y: panel.top - 9, "font-size": 12, "font-family": palette.sans, fill: palette.ink },
      svg("tspan", { "font-weight": 600, text: panel.entry.label }), svg("tspan", { fill: palette.soft, dx: 6, text: [unit, ({ "≥": "lower bounds", "≤": "upper bounds" })[readout.bound(panel.entry)[0]]].filter(Boolean).join(", ") }));
    group.append(label);
    for (const points of runs(trace, plan, panel)) {
      const [first, last] = [points[0][0], points[points.length - 1][0]];
      group.append(svg("path", { d: `${path(points)}L${last.toFixed(1)} ${floor}L${first.toFixed(1)} ${floor}Z`, fill: panel.color, "fill-opacity": 0.09 }),
        svg("path", { d: path(points), fill: "none", stroke: panel.color, "stroke-width": 1.4, "stroke-linejoin": "round" }));
    }
    if (hot && plan.to - plan.from <= DOTS_UP_TO) {
      for (let i = plan.from; i < plan.to; i += 1) {
        const value = trace.value(i, panel.entry.name);
        if (hot[i] && value !== null) group.append(svg("circle", { cx: plan.x(i).toFixed(1), cy: panel.y(value).toFixed(1), r: 2.4, fill: panel.color }));
      }
    }
    return group;
  }

  function drawAxis(trace, plan, { palette }) {
    const group = svg("g");
    const text = (x, y, content, more) => svg("text", { x, y, fill: palette.soft, "font-size": 11, "font-family": palette.sans, "text-anchor": "middle", text: content, ...more });
    const words = plan.pitch >= 38;
    const steps = words ? [] : ticks(plan.from + 1, plan.to, Math.max(2, Math.min(12, plan.plot / 90))).filter((t) => Number.isInteger(t) && t >= 1 && t <= plan.to);
    for (const t of steps) group.append(text(plan.x(t - 1), plan.bottom + 16, format.count(t)));
    for (let i = plan.from; words && i < plan.to; i += 1) {
      const word = trace.label(i);
      const room = Math.floor(plan.pitch / 6.6);
      group.append(text(plan.x(i), plan.bottom + 16, Forklore.format.cut(word, room), { fill: palette.ink, "unicode-bidi": "isolate" }));
    }
    group.append(text(plan.left - 8, plan.bottom + 16, words ? "" : "token", { "text-anchor": "end" }));
    return group;
  }

  /** The whole drawing as {plan, nodes}; options: {names, from, to, width, bits, hot, palette}. */
  function draw(trace, options) {
    const plan = layout(trace, options);
    return { plan, nodes: [...plan.panels.map((panel) => drawPanel(trace, plan, panel, options)), drawAxis(trace, plan, options)] };
  }

  /** A file's worth of SVG text: light background, title, units, fonts with fallbacks. */
  function toSvgText(trace, options, title, note) {
    const { plan, nodes } = draw(trace, { ...options, palette: PAPER });
    const head = 58;
    const height = plan.height + head + 6;
    const root = svg("svg", { xmlns: "http://www.w3.org/2000/svg", width: plan.width, height, viewBox: `0 0 ${plan.width} ${height}`, role: "img" },
      svg("title", { text: title }), svg("rect", { width: plan.width, height, fill: PAPER.card }),
      svg("text", { x: 16, y: 26, "font-size": 15, "font-weight": 600, "font-family": PAPER.sans, fill: PAPER.ink, text: title }),
      svg("text", { x: 16, y: 45, "font-size": 11.5, "font-family": PAPER.sans, fill: PAPER.soft, text: note }),
      svg("g", { transform: `translate(0 ${head})` }, nodes));
    return { text: new XMLSerializer().serializeToString(root), width: plan.width, height };
  }

  /** The same drawing as a PNG blob at twice its size. */
  async function toPng({ text, width, height }, factor = 2) {
    const url = URL.createObjectURL(new Blob([text], { type: "image/svg+xml;charset=utf-8" }));
    try {
      const image = new Image();
      image.src = url;
      await image.decode();
      const canvas = document.createElement("canvas");
      canvas.width = Math.round(width * factor);
      canvas.height = Math.round(height * factor);
      canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
      return await new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
    } finally {
      URL.revokeObjectURL(url);
    }
  }

  Forklore.chart = { draw, toSvgText, toPng, PAGE };
})();

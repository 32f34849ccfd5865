// Curves of a score against labels and matrices of two people's answers as SVG: for the page, a file and print.
// A pure drawing: points and words are handed in.
(() => {
  "use strict";
  const Forklore = (window.Forklore = window.Forklore || {});
  const { dom, chart } = Forklore;
  const { svg } = dom;

  const [LEFT, RIGHT, TOP, BOTTOM] = [46, 12, 10, 42];
  const PAGE = { ink: "var(--fl-ink)", soft: "var(--fl-soft)", line: "var(--fl-line)", strong: "var(--fl-line-strong)", card: "var(--fl-card)", series: "var(--fl-accent)", other: "var(--fl-bar)", sans: "inherit" };
  const PAPER = { ink: "#1d1c1a", soft: "#605c55", line: "#e6e2da", strong: "#c9c3b8", card: "#ffffff", series: "#9a3412", other: "#4b74ae", sans: 'Inter, "Source Sans 3", "Helvetica Neue", Arial, "DejaVu Sans", sans-serif' };
  const { cut } = Forklore.format;

  const text = (palette, x, y, words, more) => svg("text", { x, y, fill: palette.soft, "font-size": 11.5, "font-family": palette.sans, text: words, ...more });

  /**
   * One curve in the unit square. points: [[x, y]]; reference: [[x, y], [x, y]] dashed, or null; other: a second curve, thin; dots: every point is drawn.
   * Returns {nodes, width, height}.
   */
  function curve({ points, reference, other, x: xName, y: yName, dots, most = 1 }, { width, palette }) {
    const plot = width - LEFT - RIGHT;
    const height = TOP + Math.min(plot, 260) + BOTTOM;
    const floor = height - BOTTOM;
    const x = (v) => LEFT + v * plot;
    const y = (v) => floor - (Math.min(most, v) / most) * (floor - TOP);
    const step = most > 0.5 ? 0.25 : most / 5;
    const across = Array.from({ length: Math.round(most / step) + 1 }, (_, i) => Number((i * step).toFixed(3))).flatMap((v) => [
      svg("line", { x1: LEFT, x2: width - RIGHT, y1: y(v), y2: y(v), stroke: palette.line, "shape-rendering": "crispEdges" }), text(palette, LEFT - 7, y(v) + 4, String(v), { "text-anchor": "end" }),
    ]);
    const nodes = [...across, ...[0, 0.25, 0.5, 0.75, 1].map((v) => text(palette, x(v), floor + 16, String(v), { "text-anchor": "middle" }))];
    const line = (list) => list.map(([a, b], i) => `${i ? "L" : "M"}${x(a).toFixed(1)} ${y(b).toFixed(1)}`).join("");
    if (reference) nodes.push(svg("path", { d: line(reference), fill: "none", stroke: palette.strong, "stroke-width": 1.4, "stroke-dasharray": "4 4" }));
    if (other?.length) nodes.push(svg("path", { d: line(other), fill: "none", stroke: palette.soft, "stroke-width": 1 }));
    nodes.push(svg("path", { d: line(points), fill: "none", stroke: palette.series, "stroke-width": 2, "stroke-linejoin": "round" }));
    if (dots) nodes.push(...points.map(([a, b]) => svg("circle", { cx: x(a).toFixed(1), cy: y(b).toFixed(1), r: 3, fill: palette.series })));
    nodes.push(text(palette, LEFT + plot / 2, height - 6, xName, { "text-anchor": "middle" }),
      text(palette, 11, TOP + (floor - TOP) / 2, yName, { "text-anchor": "middle", transform: `rotate(-90 11 ${TOP + (floor - TOP) / 2})` }));
    return { nodes, width, height };
  }

  /** Counts of two people's answers. categories: names; counts: rows of the first person. */
  function matrix({ categories, counts, a, b }, palette) {
    const [cell, left, top] = [74, 130, 54];
    const most = Math.max(1, ...counts.flat());
    const nodes = [text(palette, left, 16, `columns: ${b}, rows: ${a}`)];
    categories.forEach((name, i) => {
      nodes.push(text(palette, left + i * cell + cell / 2, top - 10, cut(name, 10), { "text-anchor": "middle", fill: palette.ink }), text(palette, left - 10, top + i * cell + cell / 2 + 4, cut(name, 17), { "text-anchor": "end", fill: palette.ink }));
    });
    counts.forEach((row, i) => row.forEach((n, j) => nodes.push(
      svg("rect", { x: left + j * cell + 1, y: top + i * cell + 1, width: cell - 2, height: cell - 2, fill: palette.other, "fill-opacity": (0.55 * n) / most, stroke: i === j ? palette.ink : palette.line, "stroke-width": i === j ? 1.4 : 1 }),
      text(palette, left + j * cell + cell / 2, top + i * cell + cell / 2 + 5, String(n), { "text-anchor": "middle", fill: palette.ink, "font-size": 14 }))));
    return { nodes, width: left + categories.length * cell + 12, height: top + categories.length * cell + 12 };
  }

  /** The same drawing on the page; told: what it shows, for those who cannot see it. */
  const picture = ({ nodes, width, height }, told) => svg("svg", { width, height, viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": told, class: "fl-rs-svg" }, nodes);

  /** Several drawings side by side on paper, with a title and a note: {text, width, height}. plans: [[name, plan]]. */
  function paper(plans, title, note) {
    const head = 84;
    const width = Math.max(520, plans.reduce((sum, [, plan]) => sum + plan.width + 24, 24));
    const height = head + Math.max(...plans.map(([, plan]) => plan.height)) + 16;
    const say = (x, y, size, fill, words, more) => svg("text", { x, y, "font-size": size, "font-family": PAPER.sans, fill, text: words, ...more });
    let x = 24;
    const parts = plans.flatMap(([name, plan]) => {
      const at = x;
      x += plan.width + 24;
      return [say(at + 4, 74, 12.5, PAPER.ink, name, { "font-weight": 600 }), svg("g", { transform: `translate(${at} ${head})` }, plan.nodes)];
    });
    const root = svg("svg", { xmlns: "http://www.w3.org/2000/svg", width, height, viewBox: `0 0 ${width} ${height}`, role: "img" }, svg("title", { text: title }), svg("rect", { width, height, fill: PAPER.card }),
      say(24, 28, 15, PAPER.ink, cut(title, Math.floor(width / 8.4)), { "font-weight": 600 }), say(24, 48, 11.5, PAPER.soft, cut(note, Math.floor(width / 6.2))), parts);
    return { text: new XMLSerializer().serializeToString(root), width, height };
  }

  /** A button that saves a picture as SVG and as PNG. made(): {text, width, height}. */
  const saver = (name, made, label = "Save picture") => dom.button(label, async () => {
    const file = made();
    dom.download(`${name}.svg`, file.text, "image/svg+xml");
    dom.download(`${name}.png`, await chart.toPng(file), "image/png");
  }, { title: "As SVG and PNG" });

  Forklore.resultsChart = { curve, matrix, picture, paper, saver, PAGE, PAPER };
})();

// Outcome curves as SVG over given token edges: stacked areas or lines with bands, what was not explored, jumps, change
// points, survival and drift. A pure drawing: places, data, wishes and colours are handed in.
(() => {
  "use strict";
  const Forklore = (window.Forklore = window.Forklore || {});
  const { svg, uid } = Forklore.dom;

  const DRIFTS = { L2: Math.SQRT2, L1: 2, TV: 1, JS: Math.LN2 }; // the largest each can be
  const HATCHED = 7; // narrower columns have no room for a pattern

  const PAGE = {
    ink: "var(--fl-ink)", soft: "var(--fl-soft)", line: "var(--fl-line)", strong: "var(--fl-line-strong)", card: "var(--fl-card)", accent: "var(--fl-accent)", ghost: "var(--fl-ghost)", sans: "inherit",
    hues: ["var(--fl-c1)", "var(--fl-c2)", "var(--fl-c3)", "var(--fl-c4)", "var(--fl-c5)", "var(--fl-c6)", "var(--fl-c0)"], lost: "var(--fl-ghost)",
  };
  const PAPER = {
    ink: "#1d1c1a", soft: "#605c55", line: "#e6e2da", strong: "#c9c3b8", card: "#ffffff", accent: "#9a3412", ghost: "#b9b4aa",
    sans: 'Inter, "Source Sans 3", "Helvetica Neue", Arial, "DejaVu Sans", sans-serif',
    hues: ["#33608c", "#b65f1c", "#8a5a97", "#5f7f2f", "#2b8076", "#a8476a", "#b9b4aa"], lost: "#b9b4aa",
  };

  /** Patterns for what is no answer, so that those are told apart without colour. Returns {defs, fill(hue)}. */
  function paints(palette) {
    const id = uid("fl-fk");
    const pattern = (name, size, ...marks) => svg("pattern", { id: `${id}-${name}`, width: size, height: size, patternUnits: "userSpaceOnUse" }, svg("rect", { width: size, height: size, fill: palette.card }), ...marks);
    const stroke = { stroke: palette.lost, "stroke-width": 1.4 };
    const defs = svg("defs", {},
      pattern("unseen", 5, svg("path", { d: "M0 5L5 0M-1 1L1 -1M4 6L6 4", stroke: palette.soft, "stroke-width": 0.9 })),
      pattern("truncated", 7, svg("path", { d: "M0 7L7 0M-1 1L1 -1M6 8L8 6", ...stroke }), svg("path", { d: "M0 0L7 7", ...stroke, "stroke-opacity": 0.45 })),
      pattern("unparsed", 6, svg("circle", { cx: 3, cy: 3, r: 1.3, fill: palette.lost })),
      pattern("unfinished", 6, svg("path", { d: "M0 3H6", ...stroke })),
      pattern("other", 6, svg("rect", { width: 6, height: 6, fill: palette.lost, "fill-opacity": 0.55 })));
    return { defs, fill: (hue) => (typeof hue === "number" ? palette.hues[hue] : `url(#${id}-${hue})`), solid: (hue) => (typeof hue === "number" ? palette.hues[hue] : palette.lost) };
  }

  /**
   * Where one strip goes. edges: x of the columns' left sides and the last one's right, columns first .. first + n - 1;
   * the strip's foot is at y = top + height. tail: width of a column for what follows the last token, 0 for none;
   * room: height above the strip that stands for all of the probability, for what was not explored of it.
   */
  const strip = (first, edges, top, height, tail, room) => ({
    first, edges, top, height, tail, room, count: edges.length - 1, y: (share) => top + height * (1 - Math.min(1, Math.max(0, share))),
    columns: [...Array(edges.length - 1).keys()].map((i) => ({ t: first + i, x0: edges[i], x1: edges[i + 1] })).concat(tail ? [{ t: first + edges.length - 1, x0: edges[edges.length - 1], x1: edges[edges.length - 1] + tail, end: true }] : []),
  });

  const at = (v) => v.toFixed(1);

  /** Neighbouring columns that are known, as runs. */
  function runsOf(data, plan) {
    const runs = [];
    let run = null;
    for (const column of plan.columns) {
      const known = data.before(column.t);
      if (!known) { run = null; continue; }
      if (!run) runs.push((run = []));
      run.push({ ...column, known });
    }
    return runs;
  }

  /** A closed shape between two series of shares over the columns of a run. */
  function shape(run, plan, low, high) {
    const along = run.map((c, i) => `${i ? "L" : "M"}${at(c.x0)} ${at(plan.y(high(c)))}L${at(c.x1)} ${at(plan.y(high(c)))}`);
    const back = [...run].reverse().map((c) => `L${at(c.x1)} ${at(plan.y(low(c)))}L${at(c.x0)} ${at(plan.y(low(c)))}`);
    return `${along.join("")}${back.join("")}Z`;
  }
  const steps = (run, plan, value) => run.map((c, i) => `${i ? "L" : "M"}${at(c.x0)} ${at(plan.y(value(c)))}L${at(c.x1)} ${at(plan.y(value(c)))}`).join("");

  /** Stacked areas; the one on the ground has its band around its upper border. */
  function areas(data, plan, wishes, paint, palette) {
    const order = data.stacking(wishes.ground);
    const nodes = [];
    for (const run of runsOf(data, plan)) {
      const below = run.map(() => 0);
      order.forEach((k) => {
        const lower = below.slice();
        run.forEach((c, i) => { below[i] += c.known.shares[k]; });
        if (Math.max(...run.map((c) => c.known.shares[k])) < 0.002) return;
        const hue = data.hue(data.labels[k]);
        nodes.push(svg("path", { d: shape(run, plan, (c) => lower[run.indexOf(c)], (c) => below[run.indexOf(c)]), fill: paint.fill(hue), "fill-opacity": typeof hue === "number" ? 0.82 : 1, stroke: palette.card, "stroke-width": 0.6, data: { label: data.labels[k] } }));
      });
      const k = order[0];
      if (k === undefined) continue;
      nodes.push(svg("path", { d: shape(run, plan, (c) => c.known.low[k], (c) => c.known.high[k]), fill: palette.card, "fill-opacity": 0.42, class: "fl-fk-band" }),
        svg("path", { d: steps(run, plan, (c) => c.known.shares[k]), fill: "none", stroke: palette.card, "stroke-width": 1.6 }));
    }
    return nodes;
  }

  /** Each outcome as a line of its own, with its band. */
  function lines(data, plan, wishes, paint, palette) {
    const order = data.stacking(wishes.ground).reverse();
    const nodes = [0, 0.5, 1].map((share) => svg("line", { x1: plan.edges[0], x2: plan.edges[plan.count] + plan.tail, y1: plan.y(share), y2: plan.y(share), stroke: palette.line, "shape-rendering": "crispEdges" }));
    for (const run of runsOf(data, plan)) {
      for (const k of order) {
        if (Math.max(...run.map((c) => c.known.high[k])) < 0.02) continue;
        const color = paint.solid(data.hue(data.labels[k]));
        nodes.push(svg("path", { d: shape(run, plan, (c) => c.known.low[k], (c) => c.known.high[k]), fill: color, "fill-opacity": 0.2 }),
          svg("path", { d: steps(run, plan, (c) => c.known.shares[k]), fill: "none", stroke: color, "stroke-width": data.labels[k] === wishes.ground ? 2.2 : 1.4 }));
      }
    }
    return nodes;
  }

  /** The probability that no draw looked into, hanging from above the strip. */
  function unseen(data, plan, paint, palette) {
    const { room } = plan;
    return plan.columns.map((c) => ({ c, known: data.before(c.t) })).filter(({ c, known }) => known && !c.end && known.kept < 0.995).map(({ c, known }) =>
      svg("rect", { class: "fl-fk-unseen", x: c.x0, width: Math.max(0.5, c.x1 - c.x0), y: plan.top - 5 - room * (1 - known.kept), height: room * (1 - known.kept), fill: c.x1 - c.x0 < HATCHED ? palette.ghost : paint.fill("unseen") }));
  }

  /** Steps of the curve that are jumps: a line at the border behind the token to blame. */
  function jumpMarks(data, plan, wishes, palette) {
    const found = data.jumps(wishes.jumps);
    return plan.columns.filter((c) => !c.end && found.has(c.t)).map((c) => svg("g", { class: "fl-fk-jump" },
      svg("line", { x1: c.x1, x2: c.x1, y1: plan.top - 3, y2: plan.top + plan.height + 3, stroke: palette.ink, "stroke-width": 1.4, "stroke-dasharray": "3 2" }),
      svg("path", { d: `M${at(c.x1 - 4)} ${plan.top - 8}h8l-4 6z`, fill: palette.ink })));
  }

  /** Where the curve's level changes: bars behind the token to blame, as high as the change there is probable. */
  function changeMarks(data, plan, palette) {
    const nodes = [];
    const of = data.changes();
    const second = new Set(((data.said && data.said.changes && data.said.changes.second) || []).map((first) => first - 1));
    for (const c of plan.columns) {
      if (c.end) continue;
      const foot = plan.top + plan.height;
      if (of.has(c.t)) nodes.push(svg("rect", { class: "fl-fk-change", x: c.x1 - 2.5, width: 5, y: foot - of.get(c.t) * plan.height, height: of.get(c.t) * plan.height, fill: palette.ink, stroke: palette.card, "stroke-width": 0.8 }));
      if (second.has(c.t)) nodes.push(svg("path", { class: "fl-fk-second", d: `M${at(c.x1)} ${foot - 1}l4 7h-8z`, fill: palette.card, stroke: palette.ink, "stroke-width": 1.2 }));
    }
    return nodes;
  }

  /** A series over the positions (survival, drift), as a dashed line; its values run from 0 to `most`. */
  function series(data, plan, values, palette, dash, most = 1) {
    if (!values || !data.positions.length) return [];
    const first = data.positions[0].t;
    const known = plan.columns.filter((c) => !c.end && values[c.t - first] !== undefined);
    if (!known.length) return [];
    const d = known.map((c, i) => `${i ? "L" : "M"}${at(c.x0)} ${at(plan.y(values[c.t - first] / most))}L${at(c.x1)} ${at(plan.y(values[c.t - first] / most))}`).join("");
    return [svg("path", { d, fill: "none", stroke: palette.card, "stroke-width": 4, "stroke-opacity": 0.55 }), svg("path", { d, fill: "none", stroke: palette.ink, "stroke-width": 1.8, "stroke-dasharray": dash })];
  }

  /** One strip. wishes: {mode: "areas" | "lines", ground, jumps: ".15" or "", changes, survival: eps or "", drift: a distance or ""}. */
  function draw(data, plan, wishes, paint, palette) {
    const nodes = [svg("rect", { x: plan.edges[0], width: Math.max(0, plan.edges[plan.count] + plan.tail - plan.edges[0]), y: plan.top, height: plan.height, fill: "none", stroke: palette.line, "shape-rendering": "crispEdges" }),
      ...unseen(data, plan, paint, palette), ...(wishes.mode === "lines" ? lines : areas)(data, plan, wishes, paint, palette)];
    if (plan.tail) nodes.push(svg("line", { x1: plan.edges[plan.count], x2: plan.edges[plan.count], y1: plan.top, y2: plan.top + plan.height, stroke: palette.card, "stroke-width": 2 }));
    if (wishes.changes) nodes.push(...changeMarks(data, plan, palette));
    if (wishes.survival && data.said) nodes.push(...series(data, plan, data.said.survival[wishes.survival], palette, "5 3"));
    if (wishes.drift && data.said) nodes.push(...series(data, plan, data.said.drifts ? data.said.drifts[wishes.drift] : data.said.drift, palette, "1.5 3", DRIFTS[wishes.drift] || Math.SQRT2));
    if (wishes.jumps) nodes.push(...jumpMarks(data, plan, wishes, palette));
    return nodes;
  }

  Forklore.forksCurve = { PAGE, PAPER, DRIFTS, paints, strip, draw };
})();

// The tree as text: lines that read on along their best children, alternatives hanging below the fork they leave.
// Draws what is within the frame and no more; selection, folds and tints are decided elsewhere.
(() => {
  "use strict";
  const Forklore = (window.Forklore = window.Forklore || {});
  const { dom, treeLayout } = Forklore;
  const { el, svg } = dom;
  const { ROW, TOP } = treeLayout;
  const AROUND = 240; // pixels drawn beyond the frame on every side
  const TITLES = { fold: "unfold", chain: "show every token", end: "the model ended its turn here", prefix: "cut off by the depth limit: a prefix, not an answer", run: "open this run" };

  /** Widths of words in the two fonts of the tree, measured once each. */
  function ruler() {
    const context = document.createElement("canvas").getContext("2d");
    const known = [new Map(), new Map()];
    const fonts = ["", ""];
    return (text, small = false) => {
      const which = small ? 1 : 0;
      if (!fonts[which]) {
        const style = getComputedStyle(document.documentElement);
        fonts[which] = small ? `11.5px ${style.getPropertyValue("--fl-sans")}` : `17px ${style.getPropertyValue("--fl-serif")}`;
      }
      const cache = known[which];
      if (!cache.has(text)) {
        context.font = fonts[which];
        cache.set(text, Math.max(small ? 5 : 7, Math.ceil(context.measureText(text).width)));
      }
      return cache.get(text);
    };
  }

  class TreeChips {
    /** context: {data, shape, tint(node) -> class, describe(node) -> {label, level, position, size}, percentAt(node), pick(node), act(name, node)} */
    constructor(context, frame) {
      Object.assign(this, { context, frame });
      this.drawn = new Map();
      this.extra = new Map();
      this.lines = svg("svg", { class: "fl-tr-lines", "aria-hidden": "true", focusable: "false" });
      this.root = el("div", { class: "fl-tr-canvas", role: "presentation" }, this.lines);
      this.measure = ruler();
      this.plan = { items: new Map(), lines: [], edges: [], width: 0, height: 0 };
    }

    /** Lays the tree out anew; drawn chips are kept where their token stays. */
    layout() {
      const { data, shape } = this.context;
      this.plan = treeLayout.layout(data, shape, this.measure, (node) => this.context.percentAt(node));
      this.edgesDrawn = "";
    }

    has(node) {
      return this.plan.items.has(node);
    }
    /** Where a token stands on the canvas, null when it is not on show. */
    box(node) {
      const item = this.plan.items.get(node);
      return item ? { x: item.x, y: TOP + item.line.row * ROW, w: item.w, h: ROW } : null;
    }
    /** The shown token nearest to a place on the canvas. */
    nearest(x, y) {
      let best = null;
      let distance = Infinity;
      for (const node of this.drawn.keys()) {
        const at = this.box(node);
        if (!at || !this.context.shape.drawn(node)) continue;
        const apart = Math.abs(at.x - x) + Math.abs(at.y - y);
        if (at.y >= y - ROW / 2 && at.x >= x && apart < distance) [best, distance] = [node, apart];
      }
      return best;
    }

    /** Draws what lies within the frame; `fresh` rebuilds chips that are there already. */
    paint(fresh = false) {
      const { frame, plan } = this;
      const view = { left: frame.scrollLeft - AROUND, right: frame.scrollLeft + frame.clientWidth + AROUND, top: frame.scrollTop - AROUND, bottom: frame.scrollTop + frame.clientHeight + AROUND };
      const firstRow = Math.floor((view.top - TOP) / ROW);
      const lastRow = Math.ceil((view.bottom - TOP) / ROW);
      const chips = new Map();
      const pills = new Map();
      for (const line of plan.lines) {
        if (line.row < firstRow || line.row > lastRow || line.x1 < view.left || line.x0 > view.right) continue;
        for (const item of line.items) if (item.x < view.right && item.x + item.w > view.left) chips.set(item.node, item);
        for (const pill of line.pills) if (pill.x < view.right && pill.x + pill.w > view.left) pills.set(`${pill.kind} ${pill.node} ${pill.run ? pill.run.uid : ""}`, pill);
      }
      this.reconcile(this.drawn, chips, fresh, (item, node) => this.chip(item, node));
      this.reconcile(this.extra, pills, fresh, (pill, node) => this.pill(pill, node));
      this.paintEdges(view, fresh);
    }

    reconcile(drawn, wanted, fresh, build) {
      for (const [key, node] of drawn) if (!wanted.has(key)) { node.remove(); drawn.delete(key); }
      const added = document.createDocumentFragment();
      for (const [key, item] of wanted) {
        const before = drawn.get(key);
        if (before && !fresh) continue;
        const node = build(item, before);
        if (!before) { drawn.set(key, node); added.append(node); }
      }
      this.root.append(added);
    }

    chip(item, before) {
      const { context } = this;
      const { node } = item;
      const { data } = context;
      const said = context.describe(node);
      const chip = before || el("div", { role: "treeitem", id: context.idOf(node), data: { node } });
      const kind = [data.flag(node, "control") && "fl-tr-control", data.flag(node, "recorded") && "fl-tr-recorded", data.flag(node, "forced") && "fl-tr-forced", data.parent(node) < 0 && "fl-tr-root", data.onRun[node] === 2 && "fl-tr-run", data.onRun[node] === 1 && "fl-tr-other"];
      chip.className = ["fl-tr-chip", ...kind.filter(Boolean), ...context.marksOf(node)].join(" ");
      chip.style.cssText = `left:${item.x}px;top:${TOP + item.line.row * ROW}px;width:${item.w}px`;
      for (const [name, value] of Object.entries({ "aria-label": said.label, "aria-level": said.level, "aria-posinset": said.position, "aria-setsize": said.size, "aria-expanded": said.expanded, "aria-selected": said.selected })) {
        if (value === undefined) chip.removeAttribute(name);
        else chip.setAttribute(name, String(value));
      }
      const mark = data.markOf(node);
      const key = `${mark}|${item.label}|${item.percent}`;
      if (chip.flKey !== key) {
        chip.flKey = key;
        chip.replaceChildren(...[mark && el("i", { class: "fl-tr-mark", text: mark }), el("bdi", { class: `fl-w ${context.tint(node)}`, text: item.label }), item.percent && el("small", { text: item.percent })].filter(Boolean));
      } else chip.querySelector(".fl-w").className = `fl-w ${context.tint(node)}`;
      return chip;
    }

    pill(pill, before) {
      const current = pill.run && pill.run.current;
      const node = before || el("span", { "aria-hidden": "true" });
      node.className = `fl-tr-pill fl-tr-pill-${pill.kind}${current ? " fl-tr-current" : ""}`;
      node.title = current ? "the run on show ends here" : TITLES[pill.kind];
      node.textContent = Forklore.dom.shown(pill.text);
      node.style.cssText = `left:${pill.x}px;top:${TOP + pill.line.row * ROW}px;width:${pill.w}px`;
      node.flPill = pill;
      return node;
    }

    paintEdges(view, fresh) {
      const { data } = this.context;
      const marked = new Set(this.context.way());
      const paths = [];
      const [top, bottom] = [(view.top - TOP) / ROW - 1, (view.bottom - TOP) / ROW];
      for (const edge of this.plan.edges) {
        if (edge.row1 < top || edge.row0 > bottom || edge.x1 < view.left || Math.min(edge.x0, edge.x1 - 30) > view.right) continue;
        paths.push(svg("path", { d: treeLayout.elbow(edge), class: marked.has(edge.child) ? "fl-tr-edge fl-tr-way" : "fl-tr-edge", "stroke-width": (1 + 6 * data.probability(edge.child)).toFixed(1) }));
      }
      const key = paths.map((path) => path.getAttribute("d") + path.getAttribute("class")).join();
      if (key === this.edgesDrawn && !fresh) return;
      this.edgesDrawn = key;
      this.lines.replaceChildren(...paths);
    }

    /** New tints on the chips that are drawn. */
    recolour() {
      for (const [node, chip] of this.drawn) chip.querySelector(".fl-w").className = `fl-w ${this.context.tint(node)}`;
    }

    /** Shows selection, way and comparison on what is drawn, without a new layout. */
    remark() {
      this.paint(true);
    }

    element(node) {
      return this.drawn.get(node) || null;
    }
  }

  Forklore.TreeChips = TreeChips;
})();

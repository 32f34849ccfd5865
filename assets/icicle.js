// The tree as an icicle: one column a token, height = probability seen from the node on the left.
// What nobody looked into, or what is hidden, stays blank. Draws what is tall enough to see and within the frame.
(() => {
  "use strict";
  const Forklore = (window.Forklore = window.Forklore || {});
  const { dom } = Forklore;
  const { el } = dom;
  const COLUMN = 82;
  const EDGE = 10;
  const LEAST = 1.5;
  const AROUND = 160;

  class Icicle {
    /** context as for the chips. */
    constructor(context, frame) {
      Object.assign(this, { context, frame });
      this.root = el("div", { class: "fl-tr-canvas fl-tr-icicle", role: "presentation" });
      this.drawn = new Map();
      this.places = new Map();
      this.height = 400;
      this.plan = { width: 0, height: 0 };
    }

    /** Places {x, y, w, h} for every token on show that is at least a hair tall. */
    layout() {
      const { data, shape } = this.context;
      this.places = new Map();
      this.slivers = 0;
      this.height = Math.max(240, this.frame.clientHeight || 400) - 2 * EDGE;
      let deepest = 0;
      const start = shape.state.root;
      const stack = data.size ? [[start, EDGE, this.height]] : [];
      while (stack.length) {
        const [node, y, h] = stack.pop();
        const depth = data.depth[node] - data.depth[start];
        deepest = Math.max(deepest, depth);
        this.places.set(node, { x: EDGE + depth * COLUMN, y, w: COLUMN - 2, h });
        let top = y;
        for (const child of shape.kids(node)) {
          const tall = h * data.probability(child);
          if (tall >= LEAST) stack.push([child, top, tall]);
          else this.slivers += 1;
          top += tall;
        }
      }
      this.plan = { width: (deepest + 1) * COLUMN + 2 * EDGE, height: this.height + 2 * EDGE };
    }

    has(node) {
      return this.places.has(node);
    }
    box(node) {
      return this.places.get(node) || null;
    }
    nearest(x) {
      for (const [node, at] of this.places) if (at.x >= x) return node;
      return null;
    }

    paint(fresh = false) {
      const { frame } = this;
      const left = frame.scrollLeft - AROUND;
      const right = frame.scrollLeft + frame.clientWidth + AROUND;
      const added = document.createDocumentFragment();
      for (const [node, cell] of this.drawn) {
        const at = this.places.get(node);
        if (!at || at.x > right || at.x + at.w < left) { cell.remove(); this.drawn.delete(node); }
      }
      for (const [node, at] of this.places) {
        if (at.x > right || at.x + at.w < left) continue;
        const before = this.drawn.get(node);
        if (before && !fresh) continue;
        const cell = this.cell(node, at, before);
        if (!before) { this.drawn.set(node, cell); added.append(cell); }
      }
      this.root.append(added);
    }

    cell(node, at, before) {
      const { context } = this;
      const { data } = context;
      const said = context.describe(node);
      const cell = before || el("div", { role: "treeitem", id: context.idOf(node), data: { node } });
      const small = at.h < 15;
      cell.className = ["fl-tr-cell", `fl-w ${context.tint(node)}`, data.onRun[node] === 2 && "fl-tr-run", small && "fl-tr-small", data.flag(node, "recorded") && "fl-tr-recorded", ...context.marksOf(node)].filter(Boolean).join(" ");
      cell.style.cssText = `left:${at.x}px;top:${at.y.toFixed(2)}px;width:${at.w}px;height:${Math.max(1, at.h - (at.h > 4 ? 1 : 0)).toFixed(2)}px`;
      for (const [name, value] of Object.entries({ "aria-label": said.label, "aria-level": said.level, "aria-posinset": said.position, "aria-setsize": said.size, "aria-expanded": said.expanded, "aria-selected": said.selected })) {
        if (value === undefined) cell.removeAttribute(name);
        else cell.setAttribute(name, String(value));
      }
      const key = small ? "" : `${data.label(node)}|${at.h > 34}`;
      if (cell.flKey !== key) {
        cell.flKey = key;
        cell.replaceChildren(...(small ? [] : [el("bdi", { text: data.label(node) }), at.h > 34 ? el("small", { text: Forklore.format.percent(data.probability(node), 0) }) : ""]));
      }
      return cell;
    }

    recolour() {
      this.paint(true);
    }
    remark() {
      this.paint(true);
    }
    element(node) {
      return this.drawn.get(node) || null;
    }
  }

  Forklore.Icicle = Icicle;
})();

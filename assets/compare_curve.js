// One score of two runs over token position, on one axis: the first solid, the second dashed.
// A pure drawing with a pointer; does not know tokens or how the runs were aligned.
(() => {
  "use strict";
  const Forklore = (window.Forklore = window.Forklore || {});
  const { dom, format } = Forklore;
  const { el, svg } = dom;
  const [LEFT, RIGHT, TOP, BOTTOM, HEIGHT] = [48, 12, 12, 26, 190];

  class ComparedCurve {
    /** pick(side, index): the reader points at a token of run "a". */
    constructor(pick) {
      this.pick = pick;
      this.plan = null;
      this.host = el("div", { class: "fl-cmp-plot" });
      this.keyA = el("span");
      this.keyB = el("span");
      const key = (className, words) => el("span", { class: "fl-cmp-key" }, svg("svg", { width: 28, height: 8, "aria-hidden": "true" }, svg("line", { x1: 0, x2: 28, y1: 4, y2: 4, class: className })), words);
      this.root = el("figure", { class: "fl-cmp-curve" },
        el("figcaption", {}, (this.title = el("b")), key("fl-cmp-line-a", this.keyA), key("fl-cmp-line-b", this.keyB)), this.host);
      this.host.addEventListener("pointermove", (event) => this.point(event));
      this.host.addEventListener("click", (event) => this.point(event));
      this.observer = new ResizeObserver(() => {
        if (this.data && this.root.isConnected && this.host.clientWidth !== this.width) this.draw();
      });
      this.observer.observe(this.host);
    }

    /** data: {entry, bits, a: [values], b: [values], first: [i, j] or null, names: [text, text]}. */
    show(data) {
      this.data = data;
      this.root.hidden = !data.entry || data.entry.direction === "class";
      if (!this.root.hidden) this.draw();
    }

    point(event) {
      if (!this.plan) return;
      const at = event.clientX - this.host.getBoundingClientRect().left;
      const i = Math.round(((at - LEFT) / this.plan.plot) * (this.plan.most - 1));
      const side = i < this.data.a.length ? "a" : "b";
      if (i >= 0 && i < this.data[side].length) this.pick(side, i);
    }

    draw() {
      const { entry, bits, a, b, first, names } = this.data;
      this.width = this.host.clientWidth || 600;
      const plot = this.width - LEFT - RIGHT;
      const most = Math.max(a.length, b.length, 2);
      const value = (v) => format.convert(v, entry.unit, bits);
      const known = [...a, ...b].filter(format.exists);
      const low = known.reduce((x, y) => Math.min(x, y), Math.max(0, entry.low));
      const high = Math.max(known.reduce((x, y) => Math.max(x, y), low), low + 1e-9);
      const x = (i) => LEFT + (i / (most - 1)) * plot;
      const y = (v) => TOP + (1 - (v - low) / (high - low)) * (HEIGHT - TOP - BOTTOM);
      this.plan = { plot, most, x, y };
      const text = (at, up, words, anchor) => svg("text", { x: at, y: up, "text-anchor": anchor, text: words });
      const grid = [low, (low + high) / 2, high].map((v) => [
        svg("line", { x1: LEFT, x2: this.width - RIGHT, y1: y(v), y2: y(v), class: "fl-cmp-grid" }), text(LEFT - 7, y(v) + 4, format.number(value(v), 3), "end")]).flat();
      const line = (values, side) => svg("path", { d: path(values, x, y), class: `fl-cmp-line-${side}`, fill: "none" });
      const split = first ? [svg("line", { x1: x(first[0]), x2: x(first[0]), y1: TOP, y2: HEIGHT - BOTTOM, class: "fl-cmp-split" })] : [];
      this.dots = ["a", "b"].map((side) => svg("circle", { r: 4.5, class: `fl-cmp-dot-${side}`, visibility: "hidden" }));
      this.title.textContent = `${entry.label}${entry.unit ? ` (${format.unitName(entry.unit, bits)})` : ""} over token position`;
      [this.keyA.textContent, this.keyB.textContent] = names;
      this.host.replaceChildren(svg("svg", {
        width: this.width, height: HEIGHT, role: "img", "aria-label": `${entry.label} of both runs over token position${first ? `; first difference at token ${first[0] + 1}` : ""}`,
      }, grid, split, line(a, "a"), line(b, "b"), this.dots, text(LEFT, HEIGHT - 6, "token 1", "start"), text(this.width - RIGHT, HEIGHT - 6, format.count(most), "end")));
    }

    /** Dots on the tokens on show, -1 for none. */
    mark(i, j) {
      if (!this.plan || this.root.hidden) return;
      [[i, this.data.a], [j, this.data.b]].forEach(([at, values], k) => {
        const there = at >= 0 && format.exists(values[at]);
        this.dots[k].setAttribute("visibility", there ? "visible" : "hidden");
        if (!there) return;
        this.dots[k].setAttribute("cx", this.plan.x(at));
        this.dots[k].setAttribute("cy", this.plan.y(values[at]));
      });
    }
  }

  /** A path that is interrupted where a value does not exist. */
  function path(values, x, y) {
    let [out, pen] = ["", "M"];
    values.forEach((value, i) => {
      if (!format.exists(value)) { pen = "M"; return; }
      out += `${pen}${x(i).toFixed(1)} ${y(value).toFixed(1)}`;
      pen = "L";
    });
    return out;
  }

  Forklore.ComparedCurve = ComparedCurve;
})();

// The answer with its outcomes on the same axis: as prose with a strip above each line, or as one strip as wide as the
// page. Measures words and hands places to the drawing; one selection, by pointer or keyboard.
(() => {
  "use strict";
  const Forklore = (window.Forklore = window.Forklore || {});
  const { dom, format, forksCurve } = Forklore;
  const { el, svg } = dom;
  const STRIP = 64; // height of a line's strip; forks.css has the line height that it fits in
  const GAP = 7;
  const TAIL = 16;
  const ROOM = 18; // above a strip, for what was not explored
  const WIDE = { left: 44, right: 12, top: 52, height: 210, foot: 40, room: 30 };

  /** The place of a token on its line: of all its boxes the widest, as a blank may hang at the end of the line before. */
  function boxOf(node, origin) {
    const boxes = [...node.getClientRects()].filter((box) => box.width > 0);
    if (!boxes.length) return null;
    const box = boxes.reduce((a, b) => (b.width > a.width ? b : a));
    return { left: box.left - origin.left, right: box.right - origin.left, top: box.top - origin.top, bottom: box.bottom - origin.top };
  }

  /** A piece of the answer; several line breaks are one, as empty lines would be strips of nothing. */
  function fill(node, piece) {
    const breaks = /\n[\s]*\n/.test(piece);
    if (!breaks) return Forklore.fillText(node, piece);
    const lines = piece.split("\n");
    const marks = el("span", {});
    Forklore.fillText(marks, "\n".repeat(lines.length - 1));
    Forklore.fillText(node, lines[0]);
    node.append(...[...marks.childNodes].filter((child) => child.nodeType === Node.ELEMENT_NODE), "\n");
    Forklore.fillText(node, lines.at(-1));
  }

  class ForksText {
    /** context: {data, wishes(), select(t), hover(t), jump(way)}. */
    constructor(context) {
      this.context = context;
      this.prefix = dom.uid("fl-fk-token");
      this.nodes = [];
      this.places = [];
      this.svg = svg("svg", { class: "fl-fk-strips", "aria-hidden": "true" });
      this.words = el("div", { class: "fl-fk-words", role: "listbox", tabindex: "0", "aria-label": "Tokens of the answer, with their outcomes", dir: "auto", translate: "no" });
      this.root = el("div", { class: "fl-fk-text" }, this.svg, this.words);
      this.words.addEventListener("keydown", (event) => this.key(event));
      for (const [name, act] of [["click", (t) => context.select(t)], ["pointerover", (t) => context.hover(t)]]) {
        this.root.addEventListener(name, (event) => { const t = this.tokenOf(event.target); if (t >= 0) act(t); });
      }
      this.root.addEventListener("pointerleave", () => context.hover(-1));
    }

    tokenOf(target) {
      const node = target instanceof Element ? target.closest("[data-t]") : null;
      return node ? Number(node.dataset.t) : -1;
    }

    /** The tokens anew; needed when the answer is another one. */
    write() {
      const { header } = this.context.data;
      const pieces = header && header.pieces ? header.pieces : [];
      const [first, stop] = this.context.data.range;
      this.nodes = pieces.map((piece, t) => {
        const node = el("span", { class: `fl-fk-token${t < first || t >= stop ? " fl-fk-outside" : ""}`, role: "option", id: `${this.prefix}-${t}`, "aria-selected": "false", data: { t } });
        fill(node, piece);
        return node;
      });
      this.words.replaceChildren(...this.nodes);
      this.words.hidden = !this.nodes.length;
    }

    key(event) {
      if (dom.keyTaken(event)) return;
      const { context } = this;
      const last = this.nodes.length - 1;
      const from = context.selected;
      const to = { ArrowRight: Math.min(last, from + 1), ArrowLeft: Math.max(0, from - 1), Home: 0, End: last }[event.key];
      if (to !== undefined) context.select(to);
      else if (event.key === "ArrowDown" || event.key === "ArrowUp") context.select(this.vertical(from, event.key === "ArrowDown" ? 1 : -1));
      else if (event.key === "n" || event.key === "p") context.jump(event.key === "n" ? 1 : -1);
      else return;
      event.preventDefault();
      event.stopPropagation();
    }

    /** The token below or above, by where it stands. */
    vertical(from, way) {
      const here = this.places[from];
      if (!here) return Math.max(0, from);
      const middle = (box) => (box.left + box.right) / 2;
      const others = this.places.map((box, t) => ({ box, t })).filter(({ box }) => box && (way > 0 ? box.top > here.bottom - 4 : box.bottom < here.top + 4));
      if (!others.length) return from;
      const line = way > 0 ? Math.min(...others.map(({ box }) => box.top)) : Math.max(...others.map(({ box }) => box.top));
      return others.filter(({ box }) => Math.abs(box.top - line) < 6).reduce((a, b) => (Math.abs(middle(a.box) - middle(here)) <= Math.abs(middle(b.box) - middle(here)) ? a : b)).t;
    }

    /** Lines of tokens that are analysed: [{first, edges, top, bottom}]. */
    lines() {
      const origin = this.root.getBoundingClientRect();
      this.places = this.nodes.map((node) => boxOf(node, origin));
      const [first, stop] = this.context.data.range;
      const found = [];
      for (let t = first; t < stop; t += 1) {
        const box = this.places[t] || (found.length ? { left: found.at(-1).edges.at(-1), right: found.at(-1).edges.at(-1) + 3, top: found.at(-1).top, bottom: found.at(-1).bottom } : null);
        if (!box) continue;
        const line = found.at(-1);
        // a mark may stand a little higher than the words of its line
        if (!line || Math.abs((box.top + box.bottom) / 2 - (line.top + line.bottom) / 2) > 20) found.push({ first: t, edges: [box.left, Math.max(box.right, box.left + 2)], top: box.top, bottom: box.bottom });
        else {
          line.edges[line.edges.length - 1] = Math.max(line.edges.at(-2) + 1, Math.min(box.left, line.edges.at(-1) + 40));
          line.edges.push(Math.max(box.right, line.edges.at(-1) + 2));
          line.bottom = Math.max(line.bottom, box.bottom);
        }
      }
      return found;
    }

    draw() {
      const { data } = this.context;
      const lines = this.lines();
      const { width, height } = this.root.getBoundingClientRect();
      if (width < 60 || !lines.length) { this.svg.replaceChildren(); return; }
      const paint = forksCurve.paints(forksCurve.PAGE);
      const nodes = [paint.defs];
      lines.forEach((line, i) => {
        const top = line.top - GAP - STRIP;
        const plan = forksCurve.strip(line.first, line.edges, top, STRIP, i === lines.length - 1 ? TAIL : 0, ROOM);
        nodes.push(...forksCurve.draw(data, plan, this.context.wishes(), paint, forksCurve.PAGE), ...this.targets(plan), ...this.scale(plan));
      });
      for (const [name, value] of [["width", width], ["height", height], ["viewBox", `0 0 ${width} ${height}`]]) this.svg.setAttribute(name, value);
      this.svg.replaceChildren(...nodes);
      this.mark();
    }

    scale(plan) {
      return [["100 %", plan.top + 9], ["0", plan.top + plan.height]].map(([text, y]) => svg("text", { x: plan.edges[0] - 6, y, "text-anchor": "end", class: "fl-fk-tick", text }));
    }

    targets(plan) {
      return plan.columns.map((c) => svg("rect", { class: "fl-fk-target", x: c.x0, width: Math.max(1, c.x1 - c.x0), y: plan.top - GAP, height: plan.height + GAP * 2, data: { t: c.t } }));
    }

    /** What is selected, pointed at and to blame; cheap enough for every pointer move. */
    mark() {
      const { data, selected, hovered } = this.context;
      const wishes = this.context.wishes();
      const jumps = wishes.jumps ? data.jumps(wishes.jumps) : new Map();
      const blamed = data.blamed(wishes);
      const real = new Set(data.branches.filter((branch) => branch.real).map((branch) => branch.t));
      this.nodes.forEach((node, t) => {
        node.classList.toggle("fl-fk-blamed", blamed.has(t));
        node.classList.toggle("fl-fk-real", real.has(t));
        node.classList.toggle("fl-fk-on", t === selected);
        node.classList.toggle("fl-fk-near", t === hovered && t !== selected);
        node.setAttribute("aria-selected", String(t === selected));
        const said = [data.label(t), `token ${t + 1}`, jumps.has(t) ? "the outcome jumps here" : blamed.has(t) ? "the curve changes here" : "", real.has(t) ? "a fork" : ""].filter(Boolean).join(", ");
        node.setAttribute("aria-label", Forklore.dom.shown(said));
      });
      if (this.nodes[selected]) this.words.setAttribute("aria-activedescendant", this.nodes[selected].id);
      else this.words.removeAttribute("aria-activedescendant");
      for (const target of this.svg.querySelectorAll(".fl-fk-target")) {
        const t = Number(target.dataset.t);
        target.classList.toggle("fl-fk-on", t === selected);
        target.classList.toggle("fl-fk-near", t === hovered && t !== selected);
      }
    }
  }

  /** All of the answer in one strip; the words below it where they fit. */
  class ForksWide extends ForksText {
    constructor(context) {
      super(context);
      this.root.classList.add("fl-fk-wide");
      this.root.replaceChildren(this.svg);
      this.words.remove();
      Object.assign(this, { nodes: [] });
      this.frame = el("div", { class: "fl-fk-frame", role: "listbox", tabindex: "0", "aria-label": "Outcomes over the tokens of the answer" });
      this.root.append(this.frame);
      this.words = this.frame;
      this.frame.addEventListener("keydown", (event) => this.key(event));
    }

    write() {
      const { data } = this.context;
      const [first, stop] = data.range;
      // one option a token, for keyboards and screen readers: the drawing itself has no words
      this.nodes = [];
      this.first = first;
      const options = [];
      for (let t = 0; t < stop; t += 1) this.nodes.push(el("span", { role: "option", id: `${this.prefix}-${t}`, "aria-selected": "false" }));
      options.push(...this.nodes.slice(first));
      this.frame.replaceChildren(...options);
    }

    vertical(from, way) {
      return Math.max(0, Math.min(this.nodes.length - 1, from + 10 * way));
    }

    plan(width) {
      const [first, stop] = this.context.data.range;
      const pitch = (width - WIDE.left - WIDE.right - TAIL) / Math.max(1, stop - first);
      const edges = [...Array(stop - first + 1).keys()].map((i) => WIDE.left + i * pitch);
      return { pitch, plan: forksCurve.strip(first, edges, WIDE.top, WIDE.height, TAIL, WIDE.room), height: WIDE.top + WIDE.height + WIDE.foot };
    }

    draw() {
      const { data } = this.context;
      const width = Math.round(this.root.getBoundingClientRect().width);
      if (width < 120 || !data.header || !data.header.pieces) { this.svg.replaceChildren(); return; }
      const { plan, pitch, height } = this.plan(width);
      const paint = forksCurve.paints(forksCurve.PAGE);
      for (const [name, value] of [["width", width], ["height", height], ["viewBox", `0 0 ${width} ${height}`]]) this.svg.setAttribute(name, value);
      this.svg.replaceChildren(paint.defs, ...forksCurve.draw(data, plan, this.context.wishes(), paint, forksCurve.PAGE), ...axis(data, plan, pitch, forksCurve.PAGE, this.context.wishes()), ...this.targets(plan));
      this.mark();
    }
  }

  /** Shares at the left, and below the strip words of the tokens that matter, else numbers. */
  function axis(data, plan, pitch, palette, wishes) {
    const text = (x, y, words, more) => svg("text", { x, y, fill: palette.soft, "font-size": 11, "font-family": palette.sans, text: words, ...more });
    const nodes = [0, 0.5, 1].map((share) => text(plan.edges[0] - 7, plan.y(share) + 4, format.percent(share, 0), { "text-anchor": "end" }));
    nodes.push(text(plan.edges[0] - 7, plan.top - 12, "unexplored", { "text-anchor": "start", x: plan.edges[0], "font-size": 10.5, y: plan.top - 8 - plan.room }));
    const y = plan.top + plan.height + 16;
    let right = -Infinity;
    const place = (t, words, fill) => {
      const x = (plan.edges[t - plan.first] + plan.edges[t - plan.first + 1]) / 2;
      const half = words.length * 3.1 + 4;
      if (x - half < right) return;
      right = x + half;
      nodes.push(text(x, y, words, { "text-anchor": "middle", fill }));
    };
    const jumps = wishes.jumps ? data.jumps(wishes.jumps) : new Map();
    for (let t = plan.first; t < plan.first + plan.count; t += 1) {
      if (pitch >= 34 || jumps.has(t)) place(t, [...data.label(t)].slice(0, pitch >= 34 ? Math.max(2, Math.floor(pitch / 6.4)) : 14).join(""), palette.ink);
    }
    const every = Math.max(1, Math.ceil(60 / pitch / 10) * 10);
    for (let t = plan.first; t < plan.first + plan.count; t += 1) if ((t + 1) % every === 0) nodes.push(text((plan.edges[t - plan.first] + plan.edges[t - plan.first + 1]) / 2, y + 16, format.count(t + 1), { "text-anchor": "middle" }));
    nodes.push(text(plan.edges[0] - 7, y + 16, "token", { "text-anchor": "end" }));
    return nodes;
  }

  Object.assign(Forklore, { ForksText, ForksWide, forksAxis: axis });
})();

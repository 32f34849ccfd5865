// The Curves panel: up to three scores over the tokens, linked with the text both ways; zoom by dragging.
// Decides what is drawn; how stands in chart.js.
(() => {
  "use strict";
  const Forklore = (window.Forklore = window.Forklore || {});
  const { dom, format, scale, chart, controls, readout } = Forklore;
  const { el, svg } = dom;
  const MOST = 3;

  class Curves {
    constructor(host, context) {
      this.context = context;
      this.zoom = null;
      this.width = 0;
      this.chips = el("div", { class: "fl-chips", role: "group", "aria-label": "Curves shown" });
      this.more = controls.menu({ label: "More", title: "More scores to draw", items: () => this.otherScores() });
      this.reset = dom.button("Whole run", () => this.setZoom(null), { hidden: true, title: "Show all tokens again (double-click)" });
      this.readout = el("p", { class: "fl-readout" });
      this.still = svg("g");
      this.moving = svg("g", { "pointer-events": "none" });
      this.svg = svg("svg", { class: "fl-chart", role: "img" }, this.still, this.moving);
      this.frame = el("div", { class: "fl-chart-frame" }, this.svg);
      host.append(el("div", { class: "fl-panel-head" }, this.chips, this.more.root, this.reset), this.readout, this.frame,
        el("p", { class: "fl-panel-note", text: "Dots are the marked tokens. Drag to zoom, double-click to see the whole run; every value stands in Data." }));
      this.listen();
      new ResizeObserver(() => { if (Math.round(this.frame.clientWidth) !== this.width) this.schedule(); }).observe(this.frame);
      this.update();
    }

    /** The chosen scores; unless the reader chose, the score that tints the text and one beside it. */
    names() {
      const { trace, view } = this.context;
      const drawable = (name) => trace.score(name) && !scale.isClass(trace.score(name));
      if (this.picked) return this.picked.filter(drawable);
      const main = trace.scores.filter((entry) => entry.group === "main" && drawable(entry.name)).map((entry) => entry.name);
      const names = [view.state.score, ...main].filter((name, i, all) => drawable(name) && all.indexOf(name) === i);
      return names.slice(0, 2);
    }

    toggle(name) {
      const names = this.names();
      const next = names.includes(name) ? names.filter((other) => other !== name) : [...names, name].slice(-MOST);
      if (next.length) this.picked = next;
      this.update();
    }

    otherScores() {
      const names = this.names();
      return this.context.trace.scores.filter((entry) => entry.group !== "main" && !scale.isClass(entry))
        .map((entry) => ({ label: entry.label, hint: entry.short, checked: names.includes(entry.name), run: () => this.toggle(entry.name) }));
    }

    update() {
      this.drawChips();
      this.schedule();
    }
    /** The panel came into view or the window changed. */
    shown() {
      this.draw();
    }

    schedule() {
      if (this.frameAsked) return;
      this.frameAsked = requestAnimationFrame(() => { this.frameAsked = 0; this.draw(); });
    }

    drawChips() {
      const { trace } = this.context;
      const names = this.names();
      const main = trace.scores.filter((entry) => entry.group === "main" && !scale.isClass(entry)).map((entry) => entry.name);
      const all = [...main, ...names.filter((name) => !main.includes(name))];
      const had = this.chips.contains(document.activeElement) ? document.activeElement.dataset.score : null;
      this.chips.replaceChildren(...all.map((name) => {
        const at = names.indexOf(name);
        return el("button", {
          type: "button", class: "fl-chip", "aria-pressed": String(at >= 0), data: { score: name }, onclick: () => this.toggle(name),
          style: { "--fl-series": chart.PAGE.series[Math.max(0, at)] },
        }, el("i", { "aria-hidden": "true" }), trace.score(name).label);
      }));
      if (had) [...this.chips.children].find((node) => node.dataset.score === had)?.focus();
    }

    options() {
      const { trace, view, hot } = this.context;
      const [from, to] = this.zoom || [0, trace.length];
      return { names: this.names(), from, to: Math.min(to, trace.length), bits: view.state.bits, hot, width: this.width, palette: chart.PAGE };
    }

    draw() {
      const { trace } = this.context;
      this.width = Math.round(this.frame.clientWidth);
      if (this.width < 120 || this.frame.closest("[hidden]")) return;
      this.reset.hidden = !this.zoom;
      if (!trace.length) {
        this.still.replaceChildren();
        this.moving.replaceChildren();
        this.plan = null;
        this.svg.setAttribute("height", "0");
        this.readout.textContent = "The curves appear with the first tokens.";
        return;
      }
      const { plan, nodes } = chart.draw(trace, this.options());
      this.plan = plan;
      this.svg.setAttribute("width", plan.width);
      this.svg.setAttribute("height", plan.height);
      this.svg.setAttribute("viewBox", `0 0 ${plan.width} ${plan.height}`);
      this.svg.setAttribute("aria-label", `${plan.panels.map((p) => p.entry.label).join(", ")} over ${trace.length} tokens; the values stand in the Data tab`);
      this.still.replaceChildren(...nodes);
      this.follow();
    }

    /** Moves the cursor lines to where the reader is; cheap enough for every pointer move. */
    follow() {
      const { place } = this.context;
      const { plan } = this;
      if (!plan) return;
      const at = this.context.near();
      const lines = [];
      const inside = (i) => i >= plan.from && i < plan.to;
      if (inside(place.state.pinned)) lines.push(this.line(place.state.pinned, "fl-chart-pin"));
      if (inside(at) && at !== place.state.pinned) lines.push(this.line(at, "fl-chart-cursor"));
      if (inside(at)) lines.push(...this.dots(at));
      if (this.dragFrom !== undefined && this.dragTo !== undefined) lines.push(this.dragBox());
      this.moving.replaceChildren(...lines);
      this.say(at);
    }

    line(i, name) {
      const x = this.plan.x(i).toFixed(1);
      return svg("line", { class: name, x1: x, x2: x, y1: this.plan.top - 6, y2: this.plan.bottom });
    }

    dots(i) {
      return this.plan.panels.map((panel) => {
        const value = this.context.trace.value(i, panel.entry.name);
        return value === null ? null : svg("circle", { cx: this.plan.x(i), cy: panel.y(value), r: 4, fill: panel.color, stroke: chart.PAGE.card, "stroke-width": 1.5 });
      }).filter(Boolean);
    }

    dragBox() {
      const [a, b] = [this.dragFrom, this.dragTo].sort((x, y) => x - y);
      return svg("rect", { class: "fl-chart-drag", x: a, y: this.plan.top - 6, width: b - a, height: this.plan.bottom - this.plan.top + 6 });
    }

    say(i) {
      const { trace, view } = this.context;
      if (!trace.tokens[i]) {
        this.readout.textContent = this.zoom ? `Tokens ${this.zoom[0] + 1} to ${this.zoom[1]}` : "Move over the curves or the text to read values.";
        return;
      }
      const values = this.plan.panels.map((panel) => el("span", { class: "fl-readout-value", style: { "--fl-series": panel.color } }, el("i", { "aria-hidden": "true" }),
        `${panel.entry.label} ${readout.valueText(trace, panel.entry, trace.value(i, panel.entry.name), view.state.bits)}`));
      this.readout.replaceChildren(el("span", { class: "fl-readout-token" }, `${format.count(i + 1)} `, el("bdi", { text: trace.label(i) })), ...values);
    }

    setZoom(range) {
      this.zoom = range;
      this.draw();
    }

    listen() {
      const { context } = this;
      const px = (event) => event.clientX - this.svg.getBoundingClientRect().left;
      this.svg.addEventListener("pointermove", (event) => {
        if (!this.plan) return;
        if (this.dragFrom !== undefined && Math.abs(px(event) - this.dragFrom) > 5) this.dragTo = px(event);
        context.hover(this.plan.at(px(event)), "chart");
      });
      this.svg.addEventListener("pointerleave", () => { if (this.dragFrom === undefined) context.hover(-1); });
      this.svg.addEventListener("pointerdown", (event) => {
        if (!this.plan || event.button !== 0) return;
        this.dragFrom = px(event);
        this.dragTo = undefined;
        this.svg.setPointerCapture(event.pointerId);
      });
      this.svg.addEventListener("pointerup", (event) => this.released(px(event)));
      this.svg.addEventListener("pointercancel", () => { this.dragFrom = this.dragTo = undefined; this.follow(); });
      this.svg.addEventListener("dblclick", () => this.setZoom(null));
    }

    released(at) {
      if (!this.plan || this.dragFrom === undefined) return;
      const [from, to] = [this.dragFrom, this.dragTo];
      this.dragFrom = this.dragTo = undefined;
      if (to === undefined) return void this.context.pin(this.plan.at(at), "chart");
      const ends = [this.plan.at(from), this.plan.at(to)].sort((a, b) => a - b);
      if (ends[1] - ends[0] >= 3) this.setZoom([ends[0], ends[1] + 1]);
      else this.follow();
    }
  }

  Forklore.registerPanel({
    id: "curves", label: "Curves", order: 10,
    build(host, context) {
      const curves = new Curves(host, context);
      context.curves = curves;
      return {
        update: (change) => {
          if (change.reset) curves.zoom = null;
          if (change.reset) curves.picked = null;
          if (change.place) curves.follow();
          else curves.update();
        },
        shown: () => curves.shown(),
      };
    },
  });
})();

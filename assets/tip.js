// The small card beside a token while the pointer or the cursor is on it.
// Only looks; it takes no focus and no clicks.
(() => {
  "use strict";
  const Forklore = (window.Forklore = window.Forklore || {});
  const { dom, format, readout, rivalBars } = Forklore;
  const { el } = dom;
  const TOP = 5;
  const GAP = 8;

  class Tip {
    constructor(context) {
      this.context = context;
      this.root = el("div", { class: "fl-tip", role: "tooltip", id: dom.uid("fl-tip"), hidden: true });
      this.timer = 0;
    }

    /** Shows the card at token i after `delay` milliseconds. */
    show(i, delay = 0) {
      clearTimeout(this.timer);
      if (i < 0) return this.hide();
      if (!delay || !this.root.hidden) return this.open(i);
      this.timer = setTimeout(() => this.open(i), delay);
    }

    hide() {
      clearTimeout(this.timer);
      this.root.hidden = true;
    }

    open(i) {
      const { trace, view, prose } = this.context;
      const token = trace.tokens[i];
      const at = prose.rect(i);
      if (!token || !at) return this.hide();
      const entry = trace.score(view.state.score);
      const { rows } = trace.rivals(i);
      const most = rivalBars.scaleOf(rows);
      const lines = rows.slice(0, TOP).map((row) => el("div", { class: `fl-tip-row${row.drawn ? " fl-rival-drawn" : ""}` },
        el("bdi", { class: "fl-rival-word" }, rivalBars.wordNodes(trace.word(row.id, true))), rivalBars.bars(row.p, null, most), el("span", { class: "fl-rival-share", text: format.percent(row.p) })));
      this.root.replaceChildren(
        el("div", { class: "fl-tip-head" }, el("bdi", { class: "fl-tip-piece", text: trace.label(i) }), el("span", { text: trace.hasIds ? `id ${token.id}` : "" })),
        entry ? el("div", { class: "fl-tip-score" }, el("span", { text: entry.label }), el("b", { text: readout.valueText(trace, entry, trace.value(i, entry.name), view.state.bits) })) : "",
        ...lines);
      this.root.hidden = false;
      this.place(at);
    }

    place(at) {
      const { offsetWidth: w, offsetHeight: h } = this.root;
      const below = at.bottom + GAP + h < innerHeight;
      this.root.style.left = `${Math.max(6, Math.min(innerWidth - w - 6, at.left - 10))}px`;
      this.root.style.top = `${below ? at.bottom + GAP : Math.max(6, at.top - h - GAP)}px`;
    }
  }

  Forklore.Tip = Tip;
})();

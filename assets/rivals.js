// The alternatives at one token: a keyboard list of bars, the model's own probability above the one sampled with.
// Knows a run's rivals; does not know what choosing one leads to.
(() => {
  "use strict";
  const Forklore = (window.Forklore = window.Forklore || {});
  const { dom, format } = Forklore;
  const { el } = dom;

  const width = (share, most) => `${share > 0 ? Math.max(0.8, Math.min(100, (100 * share) / most)) : 0}%`;

  /** Two bars on one scale: p above, q (where something was sampled) below. */
  function bars(p, q, most, others) {
    const p1 = el("i", { class: `fl-bar-p${others ? " fl-bar-others" : ""}${p > most ? " fl-bar-cut" : ""}`, style: { width: width(p || 0, most) } });
    const q1 = q === null ? null : el("i", { class: "fl-bar-q", style: { width: width(q, most) } });
    return el("span", { class: "fl-bars", "aria-hidden": "true" }, p1, q1);
  }

  const scaleOf = (rows) => Math.max(1e-9, ...rows.map((row) => Math.max(row.p || 0, row.q || 0)));

  function spoken(word, row) {
    const parts = [word, `model ${format.percent(row.p)}`];
    if (row.q !== null) parts.push(row.cut ? "cut off before sampling" : `sampled from ${format.percent(row.q)}`);
    if (row.drawn) parts.push("drawn");
    return parts.join(", ");
  }

  class Rivals {
    constructor(context) {
      this.context = context;
      this.prefix = dom.uid("fl-rival");
      this.at = -1;
      this.legend = el("div", { class: "fl-rival-legend" });
      this.box = el("div", {
        class: "fl-rivals", role: "listbox", tabindex: "0", "aria-label": "Most likely tokens here",
        onkeydown: (event) => this.key(event), onclick: (event) => this.clicked(event),
        onfocus: () => { if (this.at < 0 && this.box.matches(":focus-visible")) this.moveTo(Math.max(0, this.rows.findIndex((r) => r.drawn))); },
      });
      this.detail = el("p", { class: "fl-rival-detail" });
      this.root = el("div", { class: "fl-rival-part" }, this.legend, this.box, this.detail);
      this.rows = [];
    }

    show(i) {
      const { trace } = this.context;
      const { rows, others } = trace.rivals(i);
      this.index = i;
      this.rows = rows;
      this.at = -1;
      const sampled = rows.some((row) => row.q !== null);
      this.showLegend(sampled);
      const most = scaleOf(rows);
      const nodes = rows.map((row, j) => this.row(row, j, most));
      if (others.p !== null) nodes.push(this.others(others, most, sampled));
      this.box.replaceChildren(...nodes);
      this.box.removeAttribute("aria-activedescendant");
      this.box.scrollTop = 0;
      this.detail.textContent = rows.length ? "" : "No alternatives were recorded at this token.";
    }

    showLegend(sampled) {
      const note = this.context.trace.samplingNote();
      const parts = [el("span", {}, el("i", { class: "fl-key-p" }), "model")];
      if (sampled) parts.push(el("span", {}, el("i", { class: "fl-key-q" }), note ? `sampled from (${note})` : "sampled from, the same"));
      this.legend.replaceChildren(...parts);
    }

    row(row, j, most) {
      const { trace } = this.context;
      const word = trace.word(row.id, true);
      return el("div", {
        class: `fl-rival${row.drawn ? " fl-rival-drawn" : ""}${row.cut ? " fl-rival-out" : ""}`,
        role: "option", id: `${this.prefix}-${j}`, "aria-selected": "false", "aria-label": spoken(trace.word(row.id), row),
        title: row.cut ? "Cut off by top-k or top-p before sampling" : undefined, data: { row: j },
      },
      el("span", { class: "fl-rival-rank", text: row.rank === null ? "" : String(row.rank) }),
      el("bdi", { class: "fl-rival-word", text: word }),
      bars(row.p, row.q, most, false),
      el("span", { class: "fl-rival-share", text: format.percent(row.p) }));
    }

    others(others, most, sampled) {
      return el("div", { class: "fl-rival fl-rival-others", role: "presentation" },
        el("span", { class: "fl-rival-rank" }), el("span", { class: "fl-rival-word", text: "all others" }),
        bars(others.p, sampled ? others.q : null, most, true),
        el("span", { class: "fl-rival-share", text: format.percent(others.p) }));
    }

    clicked(event) {
      const node = event.target.closest(".fl-rival[data-row]");
      if (node) this.moveTo(Number(node.dataset.row));
    }

    key(event) {
      if (dom.keyTaken(event) || !this.rows.length) return;
      const last = this.rows.length - 1;
      const to = { ArrowDown: Math.min(last, this.at + 1), ArrowUp: Math.max(0, this.at - 1), Home: 0, End: last }[event.key];
      if (to !== undefined) this.moveTo(to);
      else if ((event.key === "Enter" || event.key === " ") && this.at >= 0) this.choose();
      else return;
      event.preventDefault();
      event.stopPropagation();
    }

    moveTo(j) {
      const before = this.box.querySelector('[aria-selected="true"]');
      if (before) before.setAttribute("aria-selected", "false");
      this.at = j;
      const node = this.box.children[j];
      node.setAttribute("aria-selected", "true");
      node.scrollIntoView({ block: "nearest" });
      this.box.setAttribute("aria-activedescendant", node.id);
      this.detail.textContent = this.sentence(this.rows[j]);
    }

    sentence(row) {
      const { trace } = this.context;
      const own = this.rows.find((other) => other.drawn);
      const parts = [`id ${row.id}`, `log-probability ${format.number(row.logprob)}`];
      if (row.cut) parts.push("cut off before sampling");
      else if (row.q !== null) parts.push(`drawn from ${format.percent(row.q)}`);
      if (own && own !== row && own.p > 0 && row.p > 0) {
        const times = row.p / own.p;
        parts.push(times >= 1 ? `${format.number(times, 3)} times as likely as ${trace.label(this.index)}` : `${format.number(1 / times, 3)} times less likely than ${trace.label(this.index)}`);
      }
      return parts.join(" · ");
    }

    /** Tells the page which rival the reader means; what follows is decided there. */
    choose() {
      const row = this.rows[this.at];
      this.context.emit("alternative_select", { index: this.index, id: row.id, rank: row.rank });
    }
  }

  Forklore.Rivals = Rivals;
  Forklore.rivalBars = { bars, scaleOf };
})();

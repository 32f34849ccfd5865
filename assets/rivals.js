// The alternatives at one token: a keyboard list of bars, the model's own probability above the one sampled with.
// Knows a run's rivals; what choosing one leads to is the inspector's business.
(() => {
  "use strict";
  const Forklore = (window.Forklore = window.Forklore || {});
  const { dom, format } = Forklore;
  const { el } = dom;

  const FIRST = 10;
  const width = (share, most) => `${share > 0 ? Math.max(0.8, Math.min(100, (100 * share) / most)) : 0}%`;

  /** Two bars on one scale: p above, q (where something was sampled) below. */
  function bars(p, q, most, others) {
    const p1 = el("i", { class: `fl-bar-p${others ? " fl-bar-others" : ""}${p > most ? " fl-bar-cut" : ""}`, style: { width: width(p || 0, most) } });
    const q1 = q === null ? null : el("i", { class: "fl-bar-q", style: { width: width(q, most) } });
    return el("span", { class: "fl-bars", "aria-hidden": "true" }, p1, q1);
  }

  const scaleOf = (rows) => Math.max(1e-9, ...rows.map((row) => Math.max(row.p || 0, row.q || 0)));

  /** A token's text with its leading spaces as faint dots. */
  function wordNodes(text) {
    const [, dots, rest] = /^(·*)([^]*)$/.exec(text);
    return dots && rest ? [el("span", { class: "fl-dot", text: dots }), rest] : [text];
  }

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
      this.open = false;
      this.legend = el("div", { class: "fl-rival-legend" });
      this.box = el("div", {
        class: "fl-rivals", role: "listbox", tabindex: "0", "aria-label": "Most likely tokens here",
        onkeydown: (event) => this.key(event), onclick: (event) => this.clicked(event),
        onfocus: () => { if (this.at < 0 && this.box.matches(":focus-visible")) this.moveTo(Math.max(0, this.rows.findIndex((r) => r.drawn))); },
      });
      this.detail = el("p", { class: "fl-rival-detail" });
      this.tail = el("div", { class: "fl-rivals" });
      this.root = el("div", { class: "fl-rival-part" }, this.legend, this.box, this.tail, this.detail);
      this.rows = [];
    }

    show(i) {
      const { trace } = this.context;
      const { rows, others } = trace.rivals(i);
      const chosen = this.index === i && this.rows[this.at] ? this.rows[this.at].id : null;
      this.index = i;
      this.rows = rows;
      this.at = -1;
      const sampled = rows.some((row) => row.q !== null);
      // where nothing was changed before sampling, a second bar would only repeat the first
      this.doubled = sampled && Boolean(this.context.trace.samplingNote());
      this.showLegend(sampled);
      this.most = scaleOf(rows);
      this.others = others;
      this.box.replaceChildren(...rows.map((row, j) => this.row(row, j)));
      this.box.removeAttribute("aria-activedescendant");
      this.fold(this.open);
      this.detail.textContent = rows.length ? "" : "No alternatives were recorded at this token.";
      // better data of the same token leave the reader where they were
      const again = chosen === null ? -1 : rows.findIndex((row) => row.id === chosen);
      if (again >= 0) this.moveTo(again, false);
    }

    /** Shows the first ten and the drawn one, or all; what is folded away keeps its sum in sight. */
    fold(open) {
      this.open = open;
      const beyond = this.rows.filter((row, j) => j >= FIRST && !row.drawn);
      const sum = (key) => beyond.reduce((total, row) => total + (row[key] || 0), 0);
      [...this.box.children].forEach((node, j) => { node.hidden = !open && beyond.includes(this.rows[j]); });
      const toggle = el("button", { type: "button", class: "fl-rival-toggle", "aria-expanded": String(open), text: open ? "fewer" : `${beyond.length} more`, onclick: () => this.toggle() });
      this.tail.replaceChildren(
        ...(beyond.length ? [this.sumRow("fl-rival-more", toggle, open ? null : sum("p"), this.doubled ? sum("q") : null)] : []),
        ...(this.others.p === null ? [] : [this.sumRow("fl-rival-others", el("span", { class: "fl-rival-word", text: "all others" }), this.others.p, this.doubled ? this.others.q : null)]));
    }

    toggle() {
      this.fold(!this.open);
      this.tail.querySelector("button").focus();
    }

    showLegend(sampled) {
      const note = this.context.trace.samplingNote();
      const parts = [el("span", {}, el("i", { class: "fl-key-p" }), sampled && !note ? "model, sampled from as it is" : "model")];
      if (this.doubled) parts.push(el("span", {}, el("i", { class: "fl-key-q" }), `sampled from (${note})`));
      this.legend.replaceChildren(...parts);
    }

    row(row, j) {
      const { trace } = this.context;
      const word = trace.word(row.id, true);
      return el("div", {
        class: `fl-rival${row.drawn ? " fl-rival-drawn" : ""}${row.cut ? " fl-rival-out" : ""}`,
        role: "option", id: `${this.prefix}-${j}`, "aria-selected": "false", "aria-label": spoken(trace.word(row.id), row),
        title: row.cut ? "Cut off by top-k or top-p before sampling" : undefined, data: { row: j },
      },
      el("span", { class: "fl-rival-rank", text: row.rank === null ? "" : row.rank > 99 ? "…" : String(row.rank), title: row.rank > 99 ? `the ${format.count(row.rank)}th choice` : undefined }),
      el("bdi", { class: "fl-rival-word" }, wordNodes(word)),
      bars(row.p, this.doubled ? row.q : null, this.most, false),
      el("span", { class: "fl-rival-share", text: format.percent(row.p) }));
    }

    /** A row that stands for many tokens: name, bars and sum (p null: only the name). */
    sumRow(name, label, p, q) {
      return el("div", { class: `fl-rival ${name}` }, el("span", { class: "fl-rival-rank" }), label,
        p === null ? el("span") : bars(p, q, this.most, true), el("span", { class: "fl-rival-share", text: p === null ? "" : format.percent(p) }));
    }

    clicked(event) {
      const node = event.target.closest(".fl-rival[data-row]");
      if (!node) return;
      this.moveTo(Number(node.dataset.row));
      this.choose();
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

    moveTo(j, reveal = true) {
      const before = this.box.querySelector('[aria-selected="true"]');
      if (before) before.setAttribute("aria-selected", "false");
      this.at = j;
      const node = this.box.children[j];
      if (node.hidden) this.fold(true);
      node.setAttribute("aria-selected", "true");
      if (reveal) node.scrollIntoView({ block: "nearest" });
      this.box.setAttribute("aria-activedescendant", node.id);
      this.detail.textContent = Forklore.dom.shown(this.sentence(this.rows[j]));
    }

    sentence(row) {
      const { trace } = this.context;
      const own = this.rows.find((other) => other.drawn);
      const parts = [...(trace.hasIds ? [`id ${row.id}`] : []), `log-probability ${format.number(row.logprob)}`];
      if (row.cut) parts.push("cut off before sampling");
      else if (row.q !== null) parts.push(`drawn from ${format.percent(row.q)}`);
      if (own && own !== row && own.p > 0 && row.p > 0) {
        const times = row.p / own.p;
        parts.push(times >= 1 ? `${format.number(times, 3)} times as likely as ${trace.label(this.index)}` : `${format.number(1 / times, 3)} times less likely than ${trace.label(this.index)}`);
      }
      return parts.join(" · ");
    }

    /** Asks what would have followed, had this alternative been drawn. */
    choose() {
      const row = this.rows[this.at];
      if (!row.drawn) this.context.inspector.branching.start(this.index, row);
    }
  }

  Forklore.Rivals = Rivals;
  Forklore.rivalBars = { bars, scaleOf, wordNodes };
})();

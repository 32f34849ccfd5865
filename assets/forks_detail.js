// One token of a forking analysis from near: its alternatives with outcomes, bands, distances and draws, and the
// continuations of one of them grouped by outcome. Shows what the document holds; texts are asked for.
(() => {
  "use strict";
  const Forklore = (window.Forklore = window.Forklore || {});
  const { dom, format } = Forklore;
  const { el } = dom;
  const MORE_DRAWS = 20;
  const SHOWN = 0.005;

  /** Shares of outcomes as one bar; what it says stands beside it. */
  function outcomeBar(data, shares) {
    const order = data.stacking(data.own).filter((k) => shares[k] >= SHOWN);
    return el("span", { class: "fl-fk-bar", "aria-hidden": "true" }, order.map((k) => el("i", { class: `fl-fk-fill-${data.hue(data.labels[k])}`, style: { width: `${100 * shares[k]}%` } })));
  }

  /** A token as a word of a sentence or table: without the blank that it begins with. */
  function word(text) {
    const node = el("bdi", { class: "fl-fk-word" });
    Forklore.fillText(node, text === "" ? "⟨end⟩" : text.replace(/^ (?=\S)/, ""));
    return node;
  }
  /** Distances and influences, two places. */
  const fixed = (value) => (format.exists(value) ? value.toFixed(2) : format.NA);

  const swatch = (data, label) => el("i", { class: `fl-fk-swatch fl-fk-fill-${data.hue(label)}`, "aria-hidden": "true" });
  /** An outcome's name with its colour; names are the model's words. */
  function outcomeName(data, label) {
    const name = el("bdi", { title: label });
    Forklore.fillText(name, data.written(label));
    return el("span", { class: "fl-fk-name" }, swatch(data, label), name);
  }
  const band = (low, high) => (format.exists(low) ? `${format.count(100 * low)} to ${format.percent(high, 0)}` : "");

  /** The commonest outcomes in words, each with its band. */
  function outcomeWords(data, outcome) {
    const order = outcome.shares.map((share, k) => ({ share, k })).filter(({ share }) => share >= SHOWN).sort((a, b) => b.share - a.share);
    const parts = order.slice(0, 3).map(({ share, k }) => el("span", { class: "fl-fk-part" }, outcomeName(data, data.labels[k]), `\u00a0${format.percent(share, 0)}`,
      outcome.low && !outcome.certain ? el("small", { text: ` ${band(outcome.low[k], outcome.high[k])}` }) : null));
    if (order.length > 3) parts.push(el("span", { class: "fl-fk-part fl-fk-soft", text: `${order.length - 3} more` }));
    return el("span", { class: "fl-fk-parts" }, parts);
  }

  /** What the test against noise says of an alternative. */
  function verdict(data, branch, done) {
    if (branch.base) return el("span", { class: "fl-fk-soft", text: "the answer's own" });
    if (!branch.counts.some(Boolean)) return el("span", { class: "fl-fk-soft", text: "not drawn yet" });
    if (branch.real === null || branch.real === undefined) return el("span", { class: "fl-fk-soft", text: done ? format.NA : "tested at the end" });
    const longer = data.top(data.outcomeOf(branch).shares)?.label === "truncated";
    const p = branch.chance < 0.001 ? "p < 0.001" : `p = ${branch.chance.toFixed(3)}`;
    return el("span", { class: branch.real ? "fl-fk-yes" : "fl-fk-soft", title: `${p}: the chance of so large a distance were the alternative no different, before correction for all alternatives` },
      branch.real ? (longer ? "a fork, cut off" : "a fork") : "not distinguishable from noise", el("small", { text: ` ${p}` }));
  }

  class ForksDetail {
    constructor(context) {
      this.context = context;
      this.open = null; // the branch whose continuations are shown, "t id"
      this.texts = null;
      this.head = el("div", { class: "fl-fk-detail-head" });
      this.table = el("div", { class: "fl-fk-scroll" });
      this.groups = el("div", { class: "fl-fk-groups", role: "region", "aria-label": "Continuations by outcome" });
      this.root = el("section", { class: "fl-fk-detail", "aria-label": "Alternatives of the chosen token" }, this.head, this.table, this.groups);
    }

    update() {
      const { data, selected } = this.context;
      const held = this.table.contains(document.activeElement) ? document.activeElement.dataset.deed : "";
      this.root.hidden = !data.header || !data.header.pieces || selected < 0;
      if (this.root.hidden) return;
      this.showHead();
      const branches = data.branchesAt(selected);
      this.table.replaceChildren(branches.length ? this.rows(branches) : el("p", { class: "fl-fk-soft", text: this.nothing() }));
      if (this.open && !branches.some((branch) => this.keyOf(branch) === this.open)) this.close();
      this.showGroups();
      if (held) [...this.table.querySelectorAll("[data-deed]")].find((node) => node.dataset.deed === held)?.focus();
    }

    nothing() {
      const { data, selected } = this.context;
      const [first, stop] = data.range;
      if (selected < first || selected >= stop) return "This token lies outside what was analysed.";
      return data.running || !data.positions.length ? "Not reached yet: the curve is drawn from the end to the beginning." : "Nothing is known here yet; go on with the analysis.";
    }

    showHead() {
      const { data, selected } = this.context;
      const here = data.before(selected);
      const next = data.before(selected + 1);
      const parts = [el("p", { class: "fl-fk-title" }, `Token ${format.count(selected + 1)} `, word(data.header.pieces[selected] || ""))];
      if (here) {
        parts.push(el("p", { class: "fl-fk-line" }, el("span", { class: "fl-fk-soft", text: "before it " }), outcomeWords(data, here)));
        if (next) parts.push(el("p", { class: "fl-fk-line" }, el("span", { class: "fl-fk-soft", text: "with it " }), outcomeWords(data, next)));
        if (here.kept < 0.995) parts.push(el("p", { class: "fl-fk-line fl-fk-soft" }, el("i", { class: "fl-fk-swatch fl-fk-fill-unseen", "aria-hidden": "true" }), ` ${format.percent(1 - here.kept, 0)} of the probability here is unexplored: tokens too unlikely to be drawn from.`));
      }
      this.head.replaceChildren(...parts);
    }

    keyOf(branch) {
      return `${branch.t} ${branch.id}`;
    }

    rows(branches) {
      const alone = branches.length === 1;
      return el("table", { class: "fl-fk-table" },
        el("thead", {}, el("tr", {}, ["Alternative", "Probability", "What follows it ends in", "Distance", "Draws", "Told from noise", ""].map((text) => el("th", { scope: "col", text })))),
        el("tbody", {}, branches.map((branch) => this.row(branch))),
        alone ? el("caption", { text: "No other token was likely enough to be drawn from." }) : null);
    }

    row(branch) {
      const { data } = this.context;
      const outcome = branch.shares ? [outcomeBar(data, branch.shares), outcomeWords(data, branch)] : [el("span", { class: "fl-fk-soft", text: "–" })];
      const open = this.open === this.keyOf(branch);
      const many = branch.counts.reduce((a, b) => a + b, 0);
      const draws = branch.certain ? "certain" : branch.follows ? "from what follows" : format.count(many);
      const deed = (name, label, run, more) => dom.button(label, run, { data: { deed: `${name} ${branch.id}` }, ...more });
      const acts = [
        !branch.follows && !branch.certain && many ? deed("texts", open ? "Hide" : "Read them", () => this.toggle(branch), { "aria-expanded": String(open), title: "The continuations, grouped by outcome" }) : null,
        !branch.follows && !branch.certain && data.uid ? deed("more", `+${MORE_DRAWS} draws`, () => this.context.moreDraws(branch, MORE_DRAWS), { disabled: data.running, title: "Draw more continuations of this branch" }) : null,
        !branch.base && !branch.certain ? deed("take", "Take this fork", () => this.context.take(branch), { title: "A new run that says this here and goes on with the run's own settings" }) : null,
      ];
      return el("tr", { class: branch.base ? "fl-fk-own" : branch.real ? "fl-fk-real-row" : "", data: { id: branch.id } },
        el("th", { scope: "row" }, word(branch.text), branch.base ? el("small", { text: " as it is" }) : null), el("td", { class: "fl-fk-number", text: format.percent(branch.p), data: { head: "probability" } }),
        el("td", { class: "fl-fk-outcome" }, outcome), el("td", { class: "fl-fk-number", text: branch.base ? "" : many ? fixed(branch.distance) : format.NA, data: { head: branch.base ? "" : "distance" }, title: branch.base ? "" : `influence ${fixed(branch.influence)}: the distance times this alternative's share of all that was drawn from here` }),
        el("td", { class: "fl-fk-number", text: draws, data: { head: "draws" } }), el("td", {}, verdict(data, branch, !data.running)), el("td", {}, el("span", { class: "fl-fk-acts" }, acts)));
    }

    // ---- continuations

    toggle(branch) {
      if (this.open === this.keyOf(branch)) this.close();
      else {
        this.open = this.keyOf(branch);
        this.texts = null;
        this.context.askTexts(branch);
      }
      this.update();
    }

    close() {
      this.open = null;
      this.texts = null;
    }

    /** Continuations that were asked for do not come. */
    refused() {
      if (!this.open || this.texts) return;
      this.close();
      this.update();
    }

    /** Continuations that came for a branch. */
    take(texts) {
      if (this.open !== `${texts.t} ${texts.id}`) return;
      this.texts = texts;
      this.showGroups();
    }

    showGroups() {
      const { data } = this.context;
      this.groups.hidden = !this.open;
      if (!this.open) { this.groups.replaceChildren(); return; }
      const branch = data.branches.find((one) => this.keyOf(one) === this.open);
      const total = this.texts ? this.texts.groups.reduce((sum, group) => sum + group.count, 0) : 0;
      const head = el("p", { class: "fl-fk-title" }, "After ", word(branch ? branch.text : ""), this.texts ? ` · ${format.count(total)} continuations` : " · reading…");
      this.groups.replaceChildren(head, ...(this.texts ? this.texts.groups.map((group) => this.group(group, total)) : []));
    }

    group({ label, shown_as: shown, count, texts }, total) {
      const { data } = this.context;
      const listed = texts.reduce((sum, [, times]) => sum + times, 0);
      const items = texts.map(([text, times]) => {
        const words = el("bdi", { dir: "auto" });
        Forklore.fillText(words, text);
        return el("li", {}, words, times > 1 ? el("small", { text: ` × ${format.count(times)}` }) : null);
      });
      if (listed < count) items.push(el("li", { class: "fl-fk-soft", text: `${format.count(count - listed)} more; the export holds all` }));
      return el("details", { class: "fl-fk-group", open: true }, el("summary", {}, swatch(data, shown), outcomeLabel(label, shown), el("span", { class: "fl-fk-soft", text: ` ${format.count(count)} · ${format.percent(count / total, 0)}` })), el("ul", {}, items));
    }
  }

  function outcomeLabel(label, shown) {
    const name = el("bdi", {});
    Forklore.fillText(name, label);
    return el("b", {}, name, shown !== label ? el("small", { text: ` (as ${shown})` }) : null);
  }

  Object.assign(Forklore, { ForksDetail, forksWords: { outcomeBar, outcomeName, outcomeWords, swatch, verdict, band, word, fixed } });
})();

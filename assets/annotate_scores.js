// Tints of an item's text by an uncertainty score, in sessions that show scores: the switch, its legend, the hottest tokens.
// Knows score entries and values; does not draw tokens.
(() => {
  "use strict";
  const Forklore = (window.Forklore = window.Forklore || {});
  const { dom, scale } = Forklore;
  const { el } = dom;
  // the share of tokens that n and p lead to
  const HOTTEST = 0.2;

  class Scores {
    /** entries: [{name, title, unit, direction, low, high}] of the session; changed(): tint again. */
    constructor(entries, changed) {
      Object.assign(this, { entries: entries || [], changed, name: "", runs: [] });
      const id = dom.uid("fl-an-score");
      this.choice = el("select", { id, class: "fl-an-select", onchange: () => { this.name = this.choice.value; this.changed(); } });
      this.legend = el("span", { class: "fl-an-legend" });
      this.root = el("div", { class: "fl-an-scores", hidden: true }, el("label", { for: id, text: "Tint by" }), this.choice, this.legend);
    }

    get on() { return Boolean(this.entry); }
    get entry() { return this.entries.find((one) => one.name === this.name) || null; }

    /** The texts of the item that is now on the desk. */
    take(runs) {
      this.runs = runs;
      const there = this.entries.filter((one) => !scale.isClass(one) && runs.some((run) => run.scores?.[one.name]?.some((value) => value !== null)));
      if (!there.some((one) => one.name === this.name) && this.name !== "none") this.name = there[0]?.name || "";
      this.root.hidden = !there.length;
      this.choice.replaceChildren(...there.map((one) => el("option", { value: one.name, text: one.title, selected: one.name === this.name })), el("option", { value: "none", text: "no score", selected: this.name === "none" }));
      if (!there.length) this.name = "";
    }

    /** {shares, hot} of one text, null where nothing is tinted. */
    of(run) {
      const { entry } = this;
      this.legend.textContent = entry ? scale.phrase(entry.direction) : "";
      const values = entry && this.runs[run]?.scores?.[entry.name];
      if (!values) return null;
      const largest = Math.max(...values.filter((value) => value !== null));
      const heats = values.map((value) => scale.heat(value, entry));
      const ordered = heats.filter((heat) => heat !== null).sort((a, b) => b - a);
      const least = ordered[Math.max(0, Math.ceil(ordered.length * HOTTEST) - 1)];
      return { shares: values.map((value) => scale.uncertainty(value, entry, largest)), hot: heats.map((heat) => heat !== null && heat >= least) };
    }
  }

  Forklore.AnnotationScores = Scores;
})();

// How far the people of a session agree on one target: measures with intervals, pairs, and who answered what.
// A measure that does not exist is n/a with its reason. Knows the JSON of session_agreement.
(() => {
  "use strict";
  const Forklore = (window.Forklore = window.Forklore || {});
  const { dom, format, resultsParts, resultsChart } = Forklore;
  const { el } = dom;
  const { words, counted, estimate, figure, between, range, load, hint, select, Table } = resultsParts;

  /** "substantial" and the like are conventions, not facts: only what the ends of the scale mean is said. */
  const MEANING = "1 is perfect agreement and 0 what chance alone would give; below 0 is worse than chance. Percent agreement and F1 do not take chance into account. Intervals: 95 %, bootstrap over items.";

  const kappa = (given) => (typeof given === "number" ? { value: given } : estimate(given));

  class SessionAgreement {
    constructor(host, session) {
      Object.assign(this, { session, pair: 0 });
      this.tools = el("div", { class: "fl-rs-line" });
      this.result = el("div", {});
      host.append(this.tools, this.result);
    }

    shown() {
      const { overview } = this.session;
      if (this.drawn === overview) return;
      this.drawn = overview;
      const { targets } = overview;
      this.target = targets.some((one) => one.id === this.target) ? this.target : targets[0]?.id;
      if (!this.target) { this.result.replaceChildren(hint("The schema asks nothing that agreement could be computed for: free text has no measure.")); return; }
      const box = select(targets.map((one) => [one.id, one.title]), this.target, (value) => { this.target = value; this.pair = 0; this.ask(); });
      this.tools.replaceChildren(el("label", { for: (box.id = dom.uid("fl-rs-target")), text: "Agreement on" }), box);
      this.ask();
    }

    update() { this.shown(); }

    ask() {
      const { session } = this;
      load(this.result, () => session.call("session_agreement", session.uid, this.target, session.page.link), (answer) => this.draw(answer), "Computing agreement …");
    }

    draw(answer) {
      const lead = (answer.measures || []).find((one) => format.exists(one.value)) || null;
      const said = lead ? el("p", { class: "fl-rs-sentence" }, `${lead.title}: ${figure(lead.value, 2)}${between(lead, 2) ? ` (95 % interval ${between(lead, 2)})` : ""}, over ${counted(lead.n ?? answer.n_items, "item")} and ${counted(answer.raters.length, "person", "people")}.`)
        : el("p", { class: "fl-rs-sentence" }, words(answer.reason || "There is nothing to compare yet: agreement needs items that two people have submitted."));
      if (!answer.measures?.length) return said;
      return [said, answer.reason && lead ? el("p", { class: "fl-rs-note" }, words(answer.reason)) : null, this.measures(answer), hint(MEANING), ...this.pairs(answer), this.items()];
    }

    measures(answer) {
      const { say } = this.session;
      const from = answer.measures.some((one) => format.exists(one.low) && one.low < 0) || answer.measures.some((one) => one.value < 0) ? -1 : 0;
      return new Table([
        { label: "Measure", value: (one) => one.title, cell: (one) => el("span", {}, words(one.title), format.exists(one.value) || !one.reason ? null : el("span", { class: "fl-rs-reason" }, words(one.reason))) },
        { label: "Value", number: true, value: (one) => one.value, cell: (one) => (format.exists(one.value) ? el("b", { text: figure(one.value) }) : format.NA), heads: ["Value", "Reason if none"], raw: (one) => [one.value, one.reason || ""] },
        { label: "95 % interval", value: (one) => one.low, heads: ["Low", "High"], raw: (one) => [one.low, one.high], cell: (one) => between(one) },
        { label: from ? "−1 to 1" : "0 to 1", fixed: true, heads: [], raw: () => [], value: () => null, cell: (one) => range(one, from, 1, from ? 0 : null) },
        { label: "Items", number: true, title: "Over how many items", value: (one) => (format.exists(one.value) ? one.n : null), cell: (one) => (format.exists(one.value) && format.exists(one.n) ? format.count(one.n) : "") },
      ], { caption: "Measures", rows: answer.measures, say }).root;
    }

    pairs(answer) {
      const { say } = this.session;
      const all = answer.pairs || [];
      if (!all.length) return [];
      const has = (name) => all.some((one) => one[name] !== undefined && one[name] !== null);
      const column = (label, name, title) => ({ label, number: true, title, value: (one) => kappa(one[name]).value, heads: [label, `${label} low`, `${label} high`], raw: (one) => { const { value, low, high } = kappa(one[name]); return [value, low, high]; }, cell: (one) => { const given = kappa(one[name]); return el("span", { title: between(given) ? `95 % interval ${between(given)}` : undefined }, figure(given.value), between(given) ? el("span", { class: "fl-rs-soft", text: ` (${between(given, 2)})` }) : null); } });
      this.pair = Math.min(this.pair, all.length - 1);
      this.matrix = el("div", { class: "fl-rs-pair" });
      const pick = (one) => { this.pair = all.indexOf(one); this.drawMatrix(answer); table.draw(); this.matrix.scrollIntoView({ block: "nearest" }); };
      const table = new Table([
        { label: "Pair", value: (one) => `${one.a} and ${one.b}` }, { label: "Items", number: true, value: (one) => one.n },
        { label: "Percent", number: true, heads: ["Share agreeing"], value: (one) => kappa(one.percent).value, cell: (one) => format.percent(kappa(one.percent).value) },
        column("Cohen’s kappa", "kappa", "Agreement beyond chance"), ...(has("kappa_linear") ? [column("linear weights", "kappa_linear", "Neighbouring steps count as half wrong")] : []), ...(has("kappa_quadratic") ? [column("quadratic weights", "kappa_quadratic", "Steps count by their square")] : []),
      ], { caption: `Pairs (${format.count(all.length)})`, rows: all, say, pick, named: (one) => `${one.a} and ${one.b}: show who answered what`, chosen: (one) => all[this.pair] === one });
      this.drawMatrix(answer);
      return [table.root, this.matrix];
    }

    /** Who answered what, of one pair: counts as text, darker where there are more. */
    drawMatrix(answer) {
      const one = answer.pairs[this.pair];
      const { categories = [], counts = [] } = one.confusion || {};
      if (!categories.length) { this.matrix.replaceChildren(); return; }
      const most = Math.max(1, ...counts.flat());
      const id = dom.uid("fl-rs-matrix");
      const rows = [["", ...categories], ...categories.map((name, i) => [name, ...counts[i]])];
      const copy = dom.button("Copy", async () => this.session.say((await dom.copyText(format.tsv(rows))) ? "Copied." : "The browser did not allow copying."), { "aria-label": `Copy the table of ${one.a} and ${one.b}` });
      const save = resultsChart.saver(`confusion-${dom.fileName(`${one.a}-${one.b}`)}`, () => resultsChart.paper([["", resultsChart.matrix({ ...one.confusion, a: one.a, b: one.b }, resultsChart.PAPER)]], `${one.a} and ${one.b}: ${answer.title}`, `${counted(one.n, "item")}, kappa ${figure(kappa(one.kappa).value)}`));
      const cell = (n, i, j) => el("td", { class: i === j ? "fl-rs-same" : "", style: { "--fl-rs-share": `${Math.round((55 * n) / most)}%` }, text: format.count(n), title: `${one.a}: ${categories[i]}, ${one.b}: ${categories[j]}` });
      this.matrix.replaceChildren(el("div", { class: "fl-rs-line fl-rs-matrix-line" }, el("h3", { id, text: `${one.a} and ${one.b}, answer by answer` }), el("span", { class: "fl-rs-grow" }), copy, save),
        el("div", { class: "fl-rs-scroll fl-rs-fits", tabindex: "0", role: "region", "aria-labelledby": id }, el("table", { class: "fl-rs-matrix" }, el("caption", { text: `rows: ${one.a}, columns: ${one.b}; framed: the same answer` }), el("thead", {}, el("tr", {}, el("th", { scope: "col", text: `${one.a} \\ ${one.b}` }), categories.map((name) => el("th", { scope: "col" }, words(name))))),
          el("tbody", {}, categories.map((name, i) => el("tr", {}, el("th", { scope: "row" }, words(name)), counts[i].map((n, j) => cell(n, i, j))))))));
    }

    /** To what people differ on. */
    items() {
      const { overview } = this.session;
      const go = overview.disputed ? dom.button(`${counted(overview.disputed, "disputed item")}: go to adjudication`, () => this.session.tabs.select("adjudication")) : null;
      return el("div", { class: "fl-rs-line" }, go || hint("No item is disputed."));
    }
  }

  Forklore.SessionAgreement = SessionAgreement;
})();

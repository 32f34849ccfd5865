// What a growth has covered: finished, open and limited probability as one bar, the answers brought out, the estimates.
// Reads the newest status line; asks for nothing.
(() => {
  "use strict";
  const Forklore = (window.Forklore = window.Forklore || {});
  const { dom, format } = Forklore;
  const { el } = dom;
  const PARTS = [
    ["finished", "finished", "answers that ended their turn"], ["limited", "cut off by depth", "prefixes, not answers"],
    ["open", "open", "not looked into yet"], ["pruned", "left out", "beyond the branches a node may have"],
  ];
  const PROOF = { likely: "no answer that is not listed is more probable", fair: "part of a fair sample without replacement", informative: "its place in this order is certain" };

  class TreeAnswers {
    constructor(context) {
      this.context = context;
      this.coverage = el("div", { class: "fl-tr-coverage" });
      this.table = el("div", { class: "fl-tr-answers" });
      this.estimates = el("dl", { class: "fl-tr-facts fl-tr-estimates" });
      this.copy = dom.button("Copy as TSV", async () => context.say((await dom.copyText(format.tsv(this.rows()))) ? "Answers copied." : "The browser did not allow copying."));
      this.root = el("section", { class: "fl-tr-results", "aria-label": "Answers brought out so far" }, this.coverage, this.table, this.estimates);
      this.table.addEventListener("click", (event) => this.clicked(event));
    }

    clicked(event) {
      const row = event.target instanceof Element ? event.target.closest("tr[data-node]") : null;
      if (row) this.context.pick(Number(row.dataset.node), "table");
    }

    update() {
      const { status, header } = this.context.data;
      this.root.hidden = !status || !header || (!(status.leaves || []).length && !status.evaluated);
      if (this.root.hidden) return;
      if (this.drawn === status) return;
      this.drawn = status;
      this.drawCoverage(status);
      this.drawTable(status);
      this.estimates.hidden = !(status.estimates || []).length;
      this.estimates.replaceChildren(...(status.estimates || []).map(({ label, value, error }) => el("div", {}, el("dt", { text: label }),
        el("dd", { text: `${format.number(value)}${format.exists(error) ? ` ± ${format.number(error, 3).replace(/(\.\d*?)0+$/, "$1")}` : ""}` }, el("small", { text: format.exists(error) ? " standard error" : " standard error n/a" })))));
    }

    drawCoverage(status) {
      const { data } = this.context;
      const masses = status.masses || {};
      const from = data.has(status.start) && status.start !== 0 ? `from “${data.label(status.start)}” on` : "from the start on";
      const share = (name) => Math.max(0, Math.min(1, masses[name] || 0));
      const bar = el("div", { class: "fl-tr-mass", "aria-hidden": "true" }, PARTS.map(([name]) => el("i", { class: `fl-tr-mass-${name}`, style: { width: `${100 * share(name)}%` } })));
      const legend = el("ul", { class: "fl-tr-mass-legend" }, PARTS.map(([name, label, means]) => el("li", { title: means }, el("i", { class: `fl-tr-mass-${name}`, "aria-hidden": "true" }), el("span", { text: label }), el("b", { text: format.percent(masses[name], 1) }))));
      this.coverage.replaceChildren(el("p", { class: "fl-tr-head" }, el("b", { text: "Of all that can follow" }), el("bdi", { text: `${from}, exactly:` })), bar, legend);
    }

    drawTable(status) {
      const { data } = this.context;
      const leaves = (status.leaves || []).filter((leaf) => data.has(leaf.node));
      this.table.hidden = !leaves.length;
      if (!leaves.length) { this.table.replaceChildren(); return; }
      const weighted = leaves.some((leaf) => format.exists(leaf.weight));
      const finished = leaves.filter((leaf) => leaf.finished).length;
      const out = Math.max(status.out || 0, leaves.length);
      const title = dom.uid("fl-tr-answers");
      const head = ["#", "Answer", "Probability", ...(weighted ? ["Weight"] : []), "State"];
      this.table.replaceChildren(el("div", { class: "fl-tr-head" }, el("b", { id: title, text: `${format.count(finished)} ${finished === 1 ? "answer" : "answers"}` }),
        el("span", { text: out > leaves.length ? `${data.growing ? "the latest" : "the first"} ${format.count(leaves.length)} of ${format.count(out)} that came out` : "" }),
        el("span", { text: leaves.length > finished ? `${format.count(leaves.length - finished)} cut off by depth: a prefix, not an answer` : "" }), this.copy),
        el("p", { class: "fl-tr-aside", text: "This list holds what this growth brought out; the bar counts every finished answer in the tree, those of runs and earlier growths too." }),
        el("div", { class: "fl-tr-scroll", tabindex: "0", role: "region", "aria-labelledby": title }, el("table", {}, el("thead", {}, el("tr", {}, head.map((text) => el("th", { scope: "col", text })))),
          el("tbody", {}, leaves.map((leaf, i) => this.row(leaf, i + this.before(status), status, weighted))))));
    }

    /** Answers that came out before those listed: a growth under way lists only its latest. */
    before(status) {
      return this.context.data.growing ? Math.max(0, (status.out || 0) - (status.leaves || []).length) : 0;
    }

    row(leaf, i, status, weighted) {
      const text = this.answer(leaf, status);
      const words = el("button", { type: "button", class: "fl-tr-answer", dir: "auto", title: "Show this answer in the tree" });
      Forklore.fillText(words, text || "(nothing)");
      const state = [i < (status.exact || 0) && el("span", { class: "fl-tr-exact", text: "exact", title: PROOF[status.policy] || PROOF.informative }), !leaf.finished && el("span", { class: "fl-tr-prefix", text: "a prefix, not an answer" })].filter(Boolean);
      return el("tr", { data: { node: leaf.node } }, el("td", { class: "fl-tr-number-cell", text: format.count(i + 1) }), el("td", {}, words), el("td", { class: "fl-tr-number-cell", text: this.probability(leaf.logprob) }),
        weighted ? el("td", { class: "fl-tr-number-cell", text: format.number(leaf.weight, 3) }) : null, el("td", {}, state));
    }

    /** The text behind the token that was grown from. */
    answer(leaf, status) {
      const { data } = this.context;
      const way = data.path(leaf.node);
      return data.pathText(way.slice(Math.max(0, way.indexOf(status.start)) + 1)).trim();
    }
    probability(logprob) {
      if (!format.exists(logprob)) return "0";
      return logprob > -11 ? format.percent(Math.exp(logprob), 2) : format.number(Math.exp(logprob), 2);
    }

    /** The answers as a table for pasting. */
    rows() {
      const { status } = this.context.data;
      return [["rank", "text", "probability", "log-probability (nats)", "weight", "finished", "exact"],
        ...(status.leaves || []).map((leaf, i) => [i + 1 + this.before(status), this.answer(leaf, status), format.exists(leaf.logprob) ? Math.exp(leaf.logprob) : 0, leaf.logprob, leaf.weight, leaf.finished ? "yes" : "no, a prefix", i + this.before(status) < (status.exact || 0) ? "yes" : "no"])];
    }
  }

  Forklore.TreeAnswers = TreeAnswers;
})();

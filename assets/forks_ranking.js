// Which tokens are forks: every alternative by how far it moves the outcome, those told from noise first; and one
// sentence that says what was found. Reads the document; a row chooses its token.
(() => {
  "use strict";
  const Forklore = (window.Forklore = window.Forklore || {});
  const { dom, format, controls } = Forklore;
  const { el } = dom;
  const FIRST = 8;
  const STEP = 40;
  const NAMED = 0.05; // an outcome with a smaller share is not what a token leads to

  class ForksRanking {
    constructor(context) {
      this.context = context;
      this.shown = FIRST;
      this.by = "influence";
      this.order = controls.segmented({
        label: "Order", className: "fl-seg-small", value: this.by, pick: (by) => { this.by = by; this.update(true); },
        choices: [{ value: "influence", label: "by influence", title: "the distance times the alternative's share: how much it moves the curve" }, { value: "distance", label: "by distance", title: "how far the outcomes of the two ways lie apart (L2, 0 to 1.41)" }],
      });
      this.more = dom.button("", () => { this.shown += STEP; this.update(true); });
      this.copy = dom.button("Copy as TSV", async () => context.say((await dom.copyText(format.tsv(context.data.branchRows()))) ? "All branches copied." : "The browser did not allow copying."));
      this.table = el("div", { class: "fl-fk-scroll", tabindex: "0", role: "region", "aria-label": "Alternatives by how far they move the outcome" });
      this.root = el("section", { class: "fl-fk-ranking" }, el("div", { class: "fl-fk-row" }, el("h4", { text: "Fork tokens" }), this.order.root, el("span", { class: "fl-grow" }), this.copy), this.table, this.more);
      this.table.addEventListener("click", (event) => {
        const row = event.target instanceof Element ? event.target.closest("tr[data-t]") : null;
        if (row) context.select(Number(row.dataset.t), true);
      });
    }

    update(force = false) {
      const { data, selected } = this.context;
      const ranked = data.ranking(this.by);
      this.root.hidden = !ranked.length;
      if (this.root.hidden) { this.drawn = null; return; }
      if (force || this.drawn !== data.branches) {
        this.drawn = data.branches;
        const held = this.table.contains(document.activeElement) ? document.activeElement.closest("tr")?.dataset.key : "";
        this.draw(ranked);
        if (held) [...this.table.querySelectorAll("tr[data-key]")].find((row) => row.dataset.key === held)?.querySelector("button")?.focus();
      }
      for (const row of this.table.querySelectorAll("tr[data-t]")) row.classList.toggle("fl-fk-on", Number(row.dataset.t) === selected);
    }

    draw(ranked) {
      const rows = ranked.slice(0, this.shown);
      this.table.replaceChildren(el("table", { class: "fl-fk-table" },
        el("thead", {}, el("tr", {}, ["Token", "Instead of", "it could say", "with", "which moves most", "Distance", "Influence", ""].map((text) => el("th", { scope: "col", text })))),
        el("tbody", {}, rows.map((branch) => this.row(branch)))));
      this.more.hidden = ranked.length <= rows.length;
      this.more.textContent = `${format.count(ranked.length - rows.length)} more`;
    }

    row(branch) {
      const { data } = this.context;
      const { word, fixed } = Forklore.forksWords;
      const moved = data.moved(branch);
      const named = moved ? [Forklore.forksWords.outcomeName(data, moved.label), el("span", { class: "fl-fk-nowrap", text: ` ${format.percent(moved.from, 0)} → ${format.percent(moved.to, 0)}` })] : format.NA;
      return el("tr", { data: { t: branch.t, key: `${branch.t} ${branch.id}` }, class: branch.real ? "fl-fk-real-row" : "" },
        el("th", { scope: "row" }, el("button", { type: "button", class: "fl-link-button", text: format.count(branch.t + 1), "aria-label": `Show token ${branch.t + 1}` })),
        el("td", {}, word(data.header.pieces[branch.t])), el("td", {}, word(branch.text)), el("td", { class: "fl-fk-number", text: format.percent(branch.p) }),
        el("td", {}, named), el("td", { class: "fl-fk-number", text: fixed(branch.distance) }), el("td", { class: "fl-fk-number", text: fixed(branch.influence) }),
        el("td", {}, Forklore.forksWords.verdict(data, branch, !data.running)));
    }
  }

  /** What was found, as nodes of one sentence; null before anything is. */
  function sentence(data, select) {
    if (!data.positions.length || data.running || !data.said) return null;
    const forks = data.ranking("influence").filter((branch) => branch.real);
    const tested = data.branches.filter((branch) => !branch.base && branch.counts.some(Boolean)).length;
    const { answers } = data;
    const name = (label) => { const node = el("bdi", {}); Forklore.fillText(node, label); return el("b", {}, node); };
    if (!data.read.length) return ["No continuation has an outcome that could be read. Choose another way to read it: nothing is drawn again."];
    const sofar = data.state === "finished" ? "" : "So far: ";
    if (data.labels.length === 1) return [`${sofar}Whatever it had said, it ends in `, name(data.labels[0]), ": every continuation has the same outcome, so there is no fork here."];
    if (!forks.length) return [tested ? `${sofar}None of ${tested === 1 ? "the one alternative" : `${format.count(tested)} alternatives`} changes the outcome by more than chance would.` : "No token had an alternative that was likely enough to be drawn from."];
    const best = forks[0];
    const named = (shares) => { const top = data.top(shares, answers); return top && top.share >= NAMED ? top : null; };
    const [there, here] = [named(data.outcomeOf(best).shares), named(data.ownShares(best.t))];
    const quote = (text) => { const node = el("bdi", {}); Forklore.fillText(node, text.replace(/^ (?=\S)/, "") || "⟨end⟩"); return ["“", node, "”"]; };
    const link = el("button", { type: "button", class: "fl-say-token", onclick: () => select(best.t, true) }, `token ${format.count(best.t + 1)}`);
    const say = [`${sofar}The answer forks most at `, link, ": with ", ...quote(best.text), ` (${format.percent(best.p, 0)}) instead of `, ...quote(data.header.pieces[best.t]), ", "];
    if (there && here && there.label !== here.label) say.push(`${format.percent(there.share, 0)} end in `, name(there.label), ", not in ", name(here.label), ".");
    else if (there && here) say.push(`${there.share < here.share ? "only " : ""}${format.percent(there.share, 0)} instead of ${format.percent(here.share, 0)} end in `, name(there.label), ".");
    else say.push(`what follows ends otherwise, at a distance of ${Forklore.forksWords.fixed(best.distance)}.`);
    const places = new Set(forks.map((branch) => branch.t)).size;
    const where = places === 1 ? "all at this token" : `at ${format.count(places)} tokens`;
    say.push(forks.length === 1 ? ` Of ${format.count(tested)} alternatives it is the only one that is told from noise.` : ` Of ${format.count(tested)} alternatives ${format.count(forks.length)}, ${where}, are told from noise.`);
    return say;
  }

  Object.assign(Forklore, { ForksRanking, forksSentence: sentence });
})();

// Which uncertainty score predicts what people said: one row a score, sortable, with intervals; a row leads to its curves.
// A figure that does not exist is n/a with its reason. Knows the JSON of session_scores.
(() => {
  "use strict";
  const Forklore = (window.Forklore = window.Forklore || {});
  const { dom, format, resultsParts } = Forklore;
  const { el } = dom;
  const { words, counted, estimate, figure, between, range, load, hint, field, select, Table } = resultsParts;

  const LEVELS = { token: "token", span: "span", run: "answer", pair: "pair" };
  const WHERE = [["", "as it was labelled"], ["token", "token"], ["span", "span"], ["run", "answer"]];
  const ABOUT = "Every score is read as uncertainty: where low values are the uncertain ones, it is turned round. AUROC: how often a positive gets the higher score than a negative; 0.5 is chance. AP: average precision; chance is the share of positives. PRR: 0 is random, 1 as good as knowing the labels. ECE: error of probabilities calibrated on other items. Intervals: 95 %, bootstrap over items. The best of many scores looks better than it is: try it on another session.";

  class SessionScores {
    constructor(host, session) {
      Object.assign(this, { session, level: "", against: "", positive: "", chosen: "" });
      this.form = el("div", { class: "fl-rs-add" });
      this.result = el("div", {});
      this.curves = new Forklore.ScoreCurves(session);
      host.append(this.form, this.result, this.curves.root);
    }

    shown() {
      const { overview } = this.session;
      if (this.drawn === overview) return;
      this.drawn = overview;
      if (!overview.targets.some((one) => one.id === this.target)) this.target = overview.targets[0]?.id;
      if (!this.target) { this.result.replaceChildren(hint("The schema asks nothing that scores could be held against: free text has no value to predict.")); return; }
      this.drawForm();
      this.ask();
    }

    update() { this.shown(); }

    /** Whose labels can be predicted: [value, words]. */
    get sides() {
      const { overview } = this.session;
      const known = this.answer?.againsts || ["majority", ...(overview.finals ? ["gold"] : []), ...overview.members.filter((one) => one.done > 0).map((one) => one.me)];
      return known.map((one) => [one, { majority: "the majority", gold: "final labels (gold)" }[one] || `${one} alone`]);
    }

    /** What is asked for: a target, for labels at a level of its own where the reader chose one. */
    get wanted() {
      return this.target + (this.level && !this.target.startsWith("question:") ? `@${this.level}` : "");
    }

    drawForm() {
      const { overview } = this.session;
      if (!this.sides.some(([value]) => value === this.against)) this.against = this.sides[0][0];
      const held = this.form.contains(document.activeElement) ? [...this.form.querySelectorAll("select")].indexOf(document.activeElement) : -1;
      const target = select(overview.targets.map((one) => [one.id, one.title]), this.target, (value) => { Object.assign(this, { target: value, positive: "" }); this.ask(); });
      const level = this.target.startsWith("question:") ? null : select(WHERE, this.level, (value) => { this.level = value; this.ask(); });
      const against = select(this.sides, this.against, (value) => { this.against = value; this.ask(); });
      const values = this.answer?.choices || [];
      const positive = select(values, String(this.answer?.positive ?? ""), (value) => { this.positive = value; this.ask(); });
      this.form.replaceChildren(...[field("Predict", target, "A label, or an answer."), level ? field("Of each", level, "What one observation is.") : null, field("As given by", against, "Whose labels are taken as true."), values.length ? field("Counts as 1", positive, "The answer that uncertainty should foretell.") : null].filter(Boolean));
      if (held >= 0) this.form.querySelectorAll("select")[held]?.focus();
    }

    ask() {
      const { session } = this;
      this.curves.hide();
      load(this.result, () => session.call("session_scores", session.uid, this.wanted, this.against, this.positive || null, session.page.link), (answer) => {
        this.answer = answer;
        this.drawForm();
        return this.draw(answer);
      }, "Computing …");
    }

    draw(answer) {
      const known = answer.rows.filter((row) => format.exists(estimate(row.auroc).value));
      const level = LEVELS[answer.level] || answer.level || "item";
      const positive = answer.positive_title ? `“${answer.positive_title}”` : "positive";
      const among = answer.items && answer.items !== answer.n ? ` of ${counted(answer.items, "item")}` : "";
      const facts = answer.n ? `${counted(answer.n, level)}${among}, ${format.count(answer.positives)} of them ${positive}.` : "";
      if (!answer.rows.length || !known.length) return [el("p", { class: "fl-rs-sentence" }, words(answer.reason || answer.rows[0]?.reason || "There are no labels to predict yet.")), facts ? hint(facts) : null, answer.rows.length ? this.table(answer) : null];
      const best = known.reduce((a, b) => (estimate(b.auroc).value > estimate(a.auroc).value ? b : a));
      const { low } = estimate(best.auroc);
      const told = `${known.length > 1 ? `Of ${format.count(known.length)} scores ${best.title}` : best.title} predicts it best: AUROC ${figure(estimate(best.auroc).value, 2)}${between(best.auroc, 2) ? ` (95 % interval ${between(best.auroc, 2)})` : ""}${format.exists(low) && low <= 0.5 ? ", which chance alone may explain" : ""}.`;
      return [el("p", { class: "fl-rs-sentence", text: told }), hint(facts), answer.reason ? el("p", { class: "fl-rs-note" }, words(answer.reason)) : null, this.table(answer), hint(ABOUT)];
    }

    table(answer) {
      const share = answer.n ? answer.positives / answer.n : null;
      const measure = (label, name, from, mark, title) => ({
        label, number: true, title, value: (row) => estimate(row[name]).value, heads: [label, `${label} low`, `${label} high`], raw: (row) => { const { value, low, high } = estimate(row[name]); return [value, low, high]; },
        cell: (row) => (format.exists(estimate(row[name]).value) ? el("span", { class: "fl-rs-measure" }, el("b", { text: figure(estimate(row[name]).value) }), el("span", { class: "fl-rs-soft", text: between(row[name], 2) }), range(row[name], from, 1, mark)) : el("span", { title: row.reason }, format.NA)),
      });
      const plain = (label, name, title) => ({ label, number: true, title, value: (row) => estimate(row[name] === null || typeof row[name] !== "object" ? [row[name]] : row[name]).value, cell: (row) => figure(estimate(row[name] === null || typeof row[name] !== "object" ? [row[name]] : row[name]).value) });
      const table = new Table([
        { label: "Score", value: (row) => row.title, heads: ["Score", "Name"], raw: (row) => [row.title, row.name], cell: (row) => el("span", {}, words(row.title), row.direction === "low" ? el("span", { class: "fl-rs-soft", text: " (low values)" }) : null, row.reason ? el("span", { class: "fl-rs-reason" }, words(row.reason)) : null) },
        measure("AUROC", "auroc", 0, 0.5, "The dotted line is chance"), measure("AP", "ap", 0, share, "Average precision; the dotted line is chance, the share of positives"), measure("PRR", "prr", Math.min(0, ...answer.rows.map((row) => estimate(row.prr).low ?? 0)) < 0 ? -1 : 0, 0, "Prediction-rejection ratio; the dotted line is random rejection"),
        plain("ECE", "ece", "Expected calibration error after calibration on other items; lower is better"), plain("Spearman", "spearman", "Rank correlation of score and label"),
        { label: "n", number: true, value: (row) => row.n, cell: (row) => format.count(row.n) },
      ], { caption: `Scores (${format.count(answer.rows.length)})`, rows: answer.rows, say: this.session.say, sort: 1, descending: true, pick: (row) => this.pick(row), named: (row) => `${row.title}: show its curves`, chosen: (row) => row.name === this.chosen });
      this.scores = table;
      return table.root;
    }

    pick(row) {
      this.chosen = row.name;
      this.scores.draw();
      this.curves.show({ target: this.wanted, title: this.answer.title || this.target, against: this.against, positive: this.positive || null, row });
    }
  }

  Forklore.SessionScores = SessionScores;
})();

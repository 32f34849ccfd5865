// One score against the labels: ROC, risk over coverage and reliability as pictures with their numbers, and the items
// that it gets wrong, each of which opens at its token. Knows the JSON of session_curves.
(() => {
  "use strict";
  const Forklore = (window.Forklore = window.Forklore || {});
  const { dom, format, resultsParts, resultsChart } = Forklore;
  const { el } = dom;
  const { words, figure, load, hint, Table } = resultsParts;

  const bin = (one) => (Array.isArray(one) ? { predicted: one[0], observed: one[1], n: one[2] } : one);

  /** The three drawings: [name, how to draw it, told, columns, rows]. */
  function drawings(answer) {
    const bins = (answer.calibration || []).map(bin);
    const roc = answer.roc || [];
    const risk = answer.risk_coverage || [];
    const base = risk.length ? answer.base ?? risk.at(-1)[1] : null;
    const top = Math.max(0.01, base || 0, ...risk.map(([, r]) => r));
    const most = [0.05, 0.1, 0.25, 0.5, 1].find((limit) => top <= limit) || 1;
    return [
      { name: "ROC", say: "share of positives found over share of false alarms; dashed: chance", plan: { points: roc, reference: [[0, 0], [1, 1]], x: "false alarms", y: "found" }, heads: ["False positive rate", "True positive rate"], rows: roc },
      { name: "Risk over coverage", say: "share of positives among the answers kept, the surest first; dashed: all of them" + (answer.best?.length ? "; thin: the best there could be" : ""), plan: { points: risk, reference: base === null ? null : [[0, base], [1, base]], other: answer.best, x: "share kept", y: "risk", most }, heads: ["Coverage", "Risk"], rows: risk },
      { name: "Reliability", say: "how often it was positive where that was foretold; dashed: perfect", plan: { points: bins.map((one) => [one.predicted, one.observed]), reference: [[0, 0], [1, 1]], dots: true, x: "foretold", y: "came true" }, heads: ["Foretold", "Came true", "n"], rows: bins.map((one) => [one.predicted, one.observed, one.n ?? null]) },
    ];
  }

  class ScoreCurves {
    constructor(session) {
      this.session = session;
      this.root = el("section", { class: "fl-rs-curves", hidden: true });
      this.observer = new ResizeObserver(() => this.fit());
      this.observer.observe(this.root);
    }

    hide() {
      this.root.hidden = true;
      this.answer = null;
    }

    show(asked) {
      const { session } = this;
      this.asked = asked;
      this.root.hidden = false;
      const { target, against, positive, row } = asked;
      load(this.root, () => session.call("session_curves", session.uid, target, row.name, against, positive, session.page.link), (answer) => this.draw(answer), "Drawing …").then(() => { if (this.asked === asked) this.root.querySelector("h3")?.focus({ preventScroll: true }); this.root.scrollIntoView({ block: "nearest" }); });
    }

    draw(answer) {
      this.answer = answer;
      const { row } = this.asked;
      const kinds = drawings(answer);
      const title = `${row.title} against “${this.asked.title}”`;
      const drawn = kinds.filter(({ plan }) => plan.points.length);
      const save = drawn.length ? resultsChart.saver(`score-${dom.fileName(row.name)}`, () => resultsChart.paper(drawn.map(({ name, plan }) => [name, resultsChart.curve(plan, { width: 330, palette: resultsChart.PAPER })]), title, `${this.session.overview.title}; labels of ${this.asked.against}; AUROC ${figure(resultsParts.estimate(row.auroc).value)}, n ${format.count(row.n)}`), "Save pictures") : null;
      this.hosts = drawn.map((kind) => ({ kind, host: el("div", {}) }));
      const figures = this.hosts.map(({ kind, host }) => el("figure", { class: "fl-rs-figure" }, el("figcaption", {}, el("b", { text: kind.name }), el("span", { class: "fl-rs-soft", text: ` ${kind.say}` })), host, this.numbers(kind)));
      queueMicrotask(() => this.fit());
      return [el("div", { class: "fl-rs-line" }, el("h3", { tabindex: "-1" }, words(title)), el("span", { class: "fl-rs-grow" }), save), drawn.length ? el("div", { class: "fl-rs-figures" }, figures) : el("p", { class: "fl-rs-note" }, words(answer.reason || row.reason || "There is no curve: it needs labels of both kinds.")), this.wrong(answer)];
    }

    fit() {
      for (const { kind, host } of this.hosts || []) {
        const width = Math.floor(host.clientWidth);
        if (width < 80 || width === host.flWidth) continue;
        host.flWidth = width;
        const ends = kind.plan.points;
        host.replaceChildren(resultsChart.picture(resultsChart.curve(kind.plan, { width, palette: resultsChart.PAGE }), `${kind.name}: ${kind.say}. ${format.count(ends.length)} points; the numbers are in the table below.`));
      }
    }

    /** The picture's numbers, folded. */
    numbers(kind) {
      const table = () => new Table(kind.heads.map((label, i) => ({ label, number: true, value: (row) => row[i], cell: (row) => (label === "n" ? format.count(row[i]) : figure(row[i])) })), { caption: `${kind.name}, numbers`, rows: kind.rows, say: this.session.say });
      const fold = el("details", {}, el("summary", { text: "Numbers" }));
      fold.addEventListener("toggle", () => { if (fold.open && fold.children.length === 1) fold.append(table().root); });
      return fold;
    }

    wrong(answer) {
      const rows = answer.wrong || [];
      if (!rows.length) return hint("There is no item that it gets wrong.");
      const open = (row) => { if (row.run) this.session.page.trigger("run_open", Number.isInteger(row.token) ? { uid: row.run, token: row.token } : { uid: row.run }); };
      return new Table([
        { label: "Item", number: true, value: (row) => row.place },
        { label: "Text", value: (row) => row.text || "", cell: (row) => el("span", { class: "fl-rs-text" }, words(row.text || "")) },
        { label: "Token", number: true, value: (row) => (Number.isInteger(row.token) ? row.token + 1 : null), cell: (row) => (Number.isInteger(row.token) ? format.count(row.token + 1) : "") },
        { label: "Score", number: true, value: (row) => row.value }, { label: "Label", value: (row) => String(row.label ?? ""), cell: (row) => words(row.label === 1 || row.label === true ? "positive" : row.label === 0 || row.label === false ? "negative" : row.label) },
        ...(rows.some((row) => format.exists(row.misplaced)) ? [{ label: "Behind", number: true, title: "Share of the other kind that it stands on the wrong side of", value: (row) => row.misplaced, cell: (row) => format.percent(row.misplaced, 0) }] : []),
      ], { caption: "What it gets wrong, worst first", rows, say: this.session.say, pick: open, named: (row) => `Item ${row.place}: open in Explore` }).root;
    }
  }

  Forklore.ScoreCurves = ScoreCurves;
})();

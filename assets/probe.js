// A bias probe: one sentence, effects as a table and a plot, and every answer with the field that was read from it.
// Knows the JSON of ui/probe_view.py; does not know how it was drawn or where it is kept.
(() => {
  "use strict";
  const Forklore = (window.Forklore = window.Forklore || {});
  const { dom, format, probePlot } = Forklore;
  const { el } = dom;
  const FIRST_RUNS = 40;
  const GAP = "\u00a0";
  /** Which probe is drawn below the list of those that are kept, "" for none; busy: this page draws it just now. */
  const onShow = (Forklore.probeOnShow = Forklore.observable({ uid: "", busy: false }));

  /** Words of people or models, with marks for what cannot be seen. */
  const words = (text) => { const node = el("bdi"); Forklore.fillText(node, text); return node; };
  const share = (estimate) => format.percent(estimate.value, 0);
  const signed = (value) => (format.exists(value) && value > 0 ? `+${format.number(value, 3)}` : format.number(value, 3));
  const span = (estimate, measure) => {
    if (!format.exists(estimate.low)) return estimate.reason ? `interval ${format.NA} (${estimate.reason})` : "";
    return measure === "changed" ? `${format.count(100 * estimate.low)} to ${format.percent(estimate.high, 0)}` : `${signed(estimate.low)} to ${signed(estimate.high)}`;
  };
  const main = (estimate, measure) => (measure === "changed" ? share(estimate) : signed(estimate.value));
  const runsWord = (n) => (n === 1 ? "1 run" : `${format.count(n)} runs`);

  class ProbeBoard {
    constructor(root, trigger) {
      Object.assign(this, { root, trigger, measure: "changed", from: 0, shownRuns: FIRST_RUNS, width: 0 });
      this.status = el("div", { class: "fl-pr-status", role: "status" });
      this.head = el("div", { class: "fl-pr-head" });
      this.notes = el("ul", { class: "fl-pr-notes" });
      this.tools = el("div", { class: "fl-pr-tools" });
      this.table = el("div", { class: "fl-pr-scroll", tabindex: "0", role: "region", "aria-label": "Effects between values" });
      this.plot = el("div", { class: "fl-pr-plot" });
      this.key = el("div", { class: "fl-pr-key" });
      this.figure = el("figure", { class: "fl-pr-figure" }, this.key, this.plot);
      this.answers = el("div", { class: "fl-pr-scroll", tabindex: "0", role: "region", "aria-label": "Answers, run by run" });
      this.more = dom.button("", () => { this.shownRuns += FIRST_RUNS; this.drawAnswers(); });
      this.said = el("span", { class: "fl-pr-said", role: "status" });
      this.caveat = el("p", { class: "fl-pr-caveat" });
      this.results = el("div", {}, this.head, this.notes, this.tools, el("div", { class: "fl-pr-two" }, this.table, this.figure),
        el("h3", { text: "Answers" }), this.answers, this.more, this.caveat);
      root.replaceChildren(this.status, this.results);
      this.buildTools();
      this.observer = new ResizeObserver(() => { if (this.doc && this.plot.clientWidth !== this.width) this.drawPlot(); });
      this.observer.observe(this.plot);
    }

    buildTools() {
      const [measure, from] = [dom.uid("fl-pr-measure"), dom.uid("fl-pr-from")];
      this.measureBox = el("select", { id: measure, class: "fl-pr-select", onchange: () => { this.measure = this.measureBox.value; this.drawEffects(); } },
        el("option", { value: "changed", text: "Share of runs whose field changes" }), el("option", { value: "difference", text: "Mean difference of the numbers" }));
      this.fromBox = el("select", { id: from, class: "fl-pr-select", onchange: () => { this.from = Number(this.fromBox.value); this.drawEffects(); this.drawAnswers(); } });
      const copy = dom.button("Copy table", async () => this.say((await dom.copyText(format.tsv(this.rows()))) ? "Copied." : "The browser did not allow copying."), { title: "Effects and answers, tab-separated" });
      const save = dom.button("Save picture", () => this.save(), { title: "The plot as SVG and PNG" });
      this.tools.replaceChildren(el("span", { class: "fl-pr-tool" }, el("label", { for: measure, text: "Show" }), this.measureBox),
        el("span", { class: "fl-pr-tool" }, el("label", { for: from, text: "from" }), this.fromBox), el("span", { class: "fl-pr-actions" }, this.said, copy, save));
    }

    say(text) {
      this.said.textContent = text;
      setTimeout(() => { if (this.said.textContent === text) this.said.textContent = ""; }, 2500);
    }

    show(doc) {
      const other = !this.doc || this.doc.uid !== doc.uid || this.doc.plan.values.join("\n") !== doc.plan.values.join("\n");
      this.doc = doc;
      if (other) Object.assign(this, { from: 0, shownRuns: FIRST_RUNS });
      this.found = new Map(doc.effects.map((e) => [`${e.kind} ${e.source} ${e.target}`, e]));
      const numeric = doc.effects.some((e) => e.kind === "total" && format.exists(e.difference.value));
      this.measureBox.options[1].disabled = !numeric;
      if (!numeric) this.measure = "changed";
      this.measureBox.value = this.measure;
      if (other || this.fromBox.options.length !== doc.plan.values.length) this.fromBox.replaceChildren(...doc.plan.values.map((value, i) => el("option", { value: String(i), text: format.label(value) })));
      this.fromBox.value = String(this.from);
      this.results.hidden = !doc.cells.length;
      this.drawStatus();
      this.drawEffects();
      this.drawAnswers();
      this.notes.replaceChildren(...doc.notes.map((note) => el("li", {}, words(note))));
      this.caveat.replaceChildren(doc.caveat);
    }

    effect(kind, a, b) {
      // luck alone: the value stays, whichever one it is held against
      if (kind === "direct_chance") return this.found.get(`${kind} ${a} ${a}`) || null;
      // chance is the same both ways: a number only changes its sign
      const found = this.found.get(`${kind} ${a} ${b}`);
      if (found || kind !== "chance") return found || null;
      const back = this.found.get(`${kind} ${b} ${a}`);
      if (!back) return null;
      const turn = (v) => (format.exists(v) ? -v : v);
      const { value, low, high } = back.difference;
      return { ...back, difference: { ...back.difference, value: turn(value), low: turn(high), high: turn(low) } };
    }

    drawStatus() {
      const { state, message, progress, plan, uid } = this.doc;
      const parts = [];
      if (state === "running") {
        const left = format.exists(progress.left) ? `, about ${format.seconds(progress.left)} to go` : "";
        const next = progress.tokens ? `, ${progress.tokens === 1 ? "1 token" : `${format.count(progress.tokens)} tokens`} of the next` : "";
        parts.push(el("progress", { max: progress.total, value: Math.min(progress.total, progress.done + progress.tokens / plan.max_new_tokens), "aria-label": "Answers drawn" }),
          el("span", { text: `${format.count(progress.done)} of ${format.count(progress.total)} answers${next}${left}` }));
      } else if (state !== "finished") {
        const words = { waiting: "Waiting.", stopped: `Stopped after ${format.count(progress.done)} of ${format.count(progress.total)} answers.`, failed: "It broke off." }[state];
        parts.push(el("span", { text: message || words }));
        if (message && state === "failed" && progress.done) parts.push(el("span", { text: `${format.count(progress.done)} of ${format.count(progress.total)} answers are kept.` }));
        if (uid && (state === "stopped" || state === "failed")) parts.push(dom.button("Go on", () => this.trigger("probe_resume", { uid })));
      }
      this.status.replaceChildren(...parts);
      this.status.hidden = !parts.length;
    }

    drawEffects() {
      this.drawHead();
      this.drawTable();
      this.drawPlot();
    }

    drawHead() {
      const { plan, uid } = this.doc;
      const to = plan.values.findIndex((_, i) => i !== this.from);
      const total = this.effect("total", this.from, to);
      const other = (b) => this.effect("chance", this.from, b)?.changed;
      const others = [[other(to), ""], [other(this.from), " even where the value stays"]].filter(([e]) => e && format.exists(e.value)).map(([e, more]) => share(e) + more);
      const [direct, luck] = [this.effect("direct", this.from, to)?.changed, this.effect("direct_chance", this.from, to)?.changed];
      const held = direct && format.exists(direct.value) ? ` All before it held, it changes in ${share(direct)}${luck && format.exists(luck.value) ? `, and with other luck alone in ${share(luck)}` : ""}.` : "";
      const said = el("p", { class: "fl-pr-sentence" });
      const quote = (i) => ["“", words(plan.values[i]), "”"];
      if (total && format.exists(total.changed.value)) {
        said.append("Luck being the same, ", ...quote(to), " instead of ", ...quote(this.from), ` changes the ${plan.field.label.toLowerCase()} in ${share(total.changed)} of ${runsWord(total.changed.n)}`,
          total.changed.low === null ? "" : ` (95${GAP}% interval ${span(total.changed, "changed")})`, others.length ? `; with other luck it is ${others.join(", and ")}.` : ".", held);
      } else said.append("There is no pair of answers with this field to compare yet.");
      const facts = [this.doc.model?.title, `field: ${plan.field.short}${plan.field.parameter ? ` “${plan.field.parameter}”` : ""}`, `temperature ${format.number(plan.temperature, 3)}`, `seed ${plan.seed}`, `up to ${format.count(plan.max_new_tokens)} tokens`].filter(Boolean);
      const link = uid ? el("a", { href: `?probe=${encodeURIComponent(uid)}`, text: "link to this probe" }) : null;
      this.head.replaceChildren(said, el("p", { class: "fl-pr-template" }, words(plan.template)), el("p", { class: "fl-pr-facts" }, facts.join(" · "), link ? " · " : "", link));
    }

    drawTable() {
      const { plan } = this.doc;
      const cell = (a, b) => {
        const kinds = a === b ? ["chance", "direct_chance"] : this.kinds;
        const lines = kinds.map((kind) => [kind, this.effect(kind, a, b)]).filter(([kind, e]) => e && (a !== b || kind !== "chance" || this.measure === "changed")).map(([kind, e]) => {
          const estimate = e[this.measure];
          const detail = format.exists(estimate.value) ? `${span(estimate, this.measure)}, n${GAP}=${GAP}${format.count(estimate.n)}` : "";
          const aside = [`${probePlot.NAMES[kind]}, ${detail || "does not exist"}`, estimate.exact ? "all runs agree: exact bound" : "", e.left_out ? `${format.count(e.left_out)} left out` : ""].filter(Boolean).join("; ");
          return el("div", { class: `fl-pr-cell fl-pr-${kind}`, title: aside }, el("span", { class: "fl-pr-kind", text: probePlot.NAMES[kind] }), el("b", { text: main(estimate, this.measure) }), el("span", { class: "fl-pr-span", text: detail.replace(/^, /, "") }));
        });
        const nothing = this.measure === "difference" && a === b && !plan.baseline;
        return el("td", { class: a === b ? "fl-pr-same" : "" }, nothing ? el("span", { class: "fl-pr-span", text: "–" }) : lines);
      };
      this.table.replaceChildren(el("table", {},
        el("caption", { text: this.measure === "changed" ? "How often the field changes, from row to column" : "Mean difference, column minus row" }),
        el("thead", {}, el("tr", {}, el("th", { scope: "col", text: "from \\ to" }), plan.values.map((value) => el("th", { scope: "col" }, words(value))))),
        el("tbody", {}, plan.values.map((value, a) => el("tr", {}, el("th", { scope: "row" }, words(value)), plan.values.map((_, b) => cell(a, b)))))));
    }

    plotRows() {
      const { plan } = this.doc;
      const estimate = (kind, b) => this.effect(kind, this.from, b)?.[this.measure] || null;
      return plan.values.map((label, b) => ({ label, b, total: estimate("total", b), direct: estimate("direct", b), chance: estimate("chance", b), direct_chance: estimate("direct_chance", b) })).filter((row) => row.b !== this.from);
    }

    get axis() {
      const from = format.label(this.doc.plan.values[this.from]);
      return this.measure === "changed" ? `share of runs that change from “${from}”` : `mean difference to “${from}”`;
    }

    get kinds() {
      const { direct, baseline } = this.doc.plan;
      return probePlot.KINDS.filter((kind) => (kind === "direct" ? direct : kind !== "direct_chance" || baseline));
    }

    drawPlot() {
      if (this.results.hidden) return;
      this.width = this.plot.clientWidth;
      const rows = this.plotRows();
      const { nodes, width, height } = probePlot.draw(rows, { measure: this.measure, width: Math.max(240, this.width || 480), palette: probePlot.PAGE, axis: this.axis });
      const told = rows.map((row) => `${row.label}: ${this.kinds.map((kind) => `${probePlot.NAMES[kind]} ${row[kind] ? main(row[kind], this.measure) : format.NA}`).join(", ")}`).join("; ");
      this.plot.replaceChildren(dom.svg("svg", { width, height, viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": `${this.axis}. ${told}` }, nodes));
      this.key.replaceChildren(...probePlot.key(this.kinds, probePlot.PAGE).map(([, name, sign]) => el("span", {}, sign, name)));
    }

    async save() {
      const { plan } = this.doc;
      const file = probePlot.toSvgText(this.plotRows(), { measure: this.measure, axis: this.axis, kinds: this.kinds, title: `${plan.field.label}: effect of {${plan.slot}}`, note: format.label(plan.template) });
      const name = `probe-${dom.fileName(plan.slot, "slot")}`;
      dom.download(`${name}.svg`, file.text, "image/svg+xml");
      dom.download(`${name}.png`, await Forklore.chart.toPng(file), "image/png");
    }

    drawAnswers() {
      const { plan, cells } = this.doc;
      const runs = new Map();
      for (const cell of cells) {
        if (!runs.has(cell.run)) runs.set(cell.run, new Map());
        runs.get(cell.run).set(`${cell.kind} ${cell.source} ${cell.value}`, cell);
      }
      const others = plan.direct ? plan.values.map((_, i) => i).filter((i) => i !== this.from) : [];
      const heads = [el("th", { scope: "col", text: "Run" }), ...plan.values.map((value) => el("th", { scope: "col" }, words(value))),
        ...others.map((i) => el("th", { scope: "col" }, "held, then ", words(plan.values[i])))];
      if (plan.baseline) heads.push(el("th", { scope: "col" }, "held, other luck"));
      const luck = (run) => (plan.baseline ? el("td", {}, this.answer(runs.get(run).get(`luck ${this.from} ${this.from}`))) : null);
      const shown = [...runs.keys()].sort((a, b) => a - b).slice(0, this.shownRuns);
      const held = this.root.contains(document.activeElement) ? document.activeElement.dataset.cell : null;
      this.answers.replaceChildren(el("table", {}, el("thead", {}, el("tr", {}, heads)), el("tbody", {}, shown.map((run) => el("tr", {}, el("th", { scope: "row", text: format.count(run + 1) }),
        plan.values.map((_, i) => el("td", {}, this.answer(runs.get(run).get(`run ${i} ${i}`)))), others.map((i) => el("td", {}, this.answer(runs.get(run).get(`direct ${this.from} ${i}`)))), luck(run))))));
      if (held) [...this.answers.querySelectorAll("a")].find((node) => node.dataset.cell === held)?.focus();
      const rest = runs.size - shown.length;
      this.more.hidden = rest <= 0;
      this.more.textContent = `Show ${format.count(Math.min(rest, FIRST_RUNS))} more runs`;
    }

    answer(cell) {
      if (!cell) return null;
      const label = cell.found ? words(cell.label) : el("i", { text: cell.label });
      const whole = el("span", { class: "fl-pr-text" });
      Forklore.fillText(whole, cell.text);
      if (!cell.uid) return [el("div", { class: "fl-pr-label" }, label), whole];
      const open = el("a", { href: `?run=${encodeURIComponent(cell.uid)}`, class: "fl-pr-label", title: "Open this run", data: { cell: cell.uid } }, label);
      open.addEventListener("click", (event) => {
        if (event.ctrlKey || event.metaKey || event.shiftKey) return;
        event.preventDefault();
        this.trigger("run_open", { uid: cell.uid });
      });
      return [open, whole];
    }

    /** Effects, then answers, as rows for pasting. */
    rows() {
      const { plan, effects, cells } = this.doc;
      const value = (i) => plan.values[i];
      return [
        ["effect", "from", "to", "share changed", "low", "high", "n", "mean difference", "low", "high", "n", "left out"],
        ...effects.map((e) => [e.kind, value(e.source), value(e.target), e.changed.value, e.changed.low, e.changed.high, e.changed.n, e.difference.value, e.difference.low, e.difference.high, e.difference.n, e.left_out]),
        [],
        ["answer", "run", "held from", "value", "field", "number", "tokens", "held tokens", "text", "run id"],
        ...cells.map((c) => [c.kind, c.run + 1, c.kind === "run" ? "" : value(c.source), value(c.value), c.label, c.number, c.tokens, c.held, c.text, c.uid]),
      ];
    }
  }

  Forklore.mountProbe = ({ element, props, watch, trigger }) => {
    const root = element.querySelector(".fl-piece");
    root.classList.add("fl-probe");
    root.setAttribute("role", "region");
    root.setAttribute("aria-label", "Bias probe");
    let board = null;
    let said = null;
    const draw = () => {
      const text = props.value || "";
      if (text === said) return;
      said = text;
      root.hidden = !text;
      const doc = text ? JSON.parse(text) : null;
      onShow.set({ uid: doc ? doc.uid : "", busy: Boolean(doc) && (doc.state === "waiting" || doc.state === "running") });
      if (!doc) return;
      board = board || new ProbeBoard(root, trigger);
      board.show(doc);
    };
    watch("value", draw);
    draw();
  };

  Forklore.mountProbePrice = ({ element, props, watch }) => {
    const root = element.querySelector(".fl-piece");
    root.classList.add("fl-pr-price");
    root.setAttribute("role", "status");
    const draw = () => { root.textContent = Forklore.dom.shown(props.value || ""); };
    watch("value", draw);
    draw();
  };
})();

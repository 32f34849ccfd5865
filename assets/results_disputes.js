// Disputed items, most disagreement first; each is settled by accepting a side or by writing the final judgement.
// Sides are letters in random order, without names. Knows the JSON of disputes and dispute.
(() => {
  "use strict";
  const Forklore = (window.Forklore = window.Forklore || {});
  const { dom, format, resultsParts, resultsAnswers } = Forklore;
  const { el } = dom;
  const { words, counted, bar, figure, load, deed, hint, primary, field, select, Table } = resultsParts;
  const { answerText, labelClass, titleOf } = resultsAnswers;
  const SURE = [["", "not told"], ["1", "1, a guess"], ["2", "2"], ["3", "3"], ["4", "4"], ["5", "5, certain"]];

  class SessionDisputes {
    constructor(host, session) {
      Object.assign(this, { session, host, stacked: false });
      this.list = el("div", {});
      this.one = el("div", { hidden: true });
      host.append(this.list, this.one);
    }

    shown() {
      if (this.drawn === this.session.overview) return;
      this.drawn = this.session.overview;
      this.ask();
    }

    update() { if (this.one.hidden) this.shown(); }

    ask() {
      const { session } = this;
      return load(this.list, () => session.call("disputes", session.uid, session.page.link), (rows) => { this.rows = rows; return this.table(); }, "Looking for disputed items …");
    }

    table() {
      const { rows, session } = this;
      const open = rows.filter((row) => !row.final).length;
      if (!rows.length) return [el("p", { class: "fl-rs-sentence", text: "Nothing is disputed." }), hint("Items come here once two people have submitted them and their answers differ.")];
      return [el("p", { class: "fl-rs-sentence", text: `${counted(rows.length, "item is", "items are")} disputed; ${open ? `${format.count(open)} ${open === 1 ? "is" : "are"} still to settle.` : "all are settled."}` }),
        session.judge ? null : hint(session.why || "Only the owner and adjudicators settle items."),
        new Table([
          { label: "Item", number: true, value: (row) => row.place },
          { label: "Text", value: (row) => row.text || "", cell: (row) => el("span", { class: "fl-rs-text" }, words(row.text || "")) },
          { label: "Answers", number: true, value: (row) => row.n },
          { label: "Disagreement", number: true, value: (row) => row.disagreement, cell: (row) => el("span", { class: "fl-rs-done" }, figure(row.disagreement, 2), bar(row.disagreement)) },
          { label: "Final", value: (row) => (row.final ? "settled" : "open") },
        ], { caption: "Disputed items, most disagreement first", rows, say: session.say, pick: (row) => this.open(row.item), named: (row) => `Item ${row.place}: see its sides` }).root];
    }

    // ---------------------------------------------------------------- one item

    open(item) {
      const { session } = this;
      this.item = item;
      this.list.hidden = true;
      this.one.hidden = false;
      this.one.replaceChildren();
      load(this.one, () => session.call("dispute", session.uid, item, session.page.link), (answer) => this.draw(answer), "Opening the item …").then(() => this.one.querySelector("h3")?.focus());
    }

    back() {
      this.one.hidden = true;
      this.one.replaceChildren();
      this.list.hidden = false;
      this.ask().then(() => this.list.querySelector(".fl-rs-open")?.focus());
    }

    /** The next item that is still open, after this one in the list, else the first. */
    next() {
      const at = this.rows.findIndex((row) => row.item === this.item);
      const open = [...this.rows.slice(at + 1), ...this.rows.slice(0, Math.max(0, at))].filter((row) => !row.final);
      return open[0]?.item || "";
    }

    draw(answer) {
      const { session } = this;
      this.answer = answer;
      const at = this.rows.findIndex((row) => row.item === answer.item);
      const step = (way) => dom.button(way < 0 ? "‹ Previous" : "Next ›", () => this.open(this.rows[at + way].item), { disabled: !this.rows[at + way] });
      const switcher = Forklore.controls.segmented({ label: "Sides", value: this.stacked ? "stacked" : "columns", pick: (value) => { this.stacked = value === "stacked"; this.sides.replaceChildren(...this.drawSides(answer)); }, choices: [{ value: "columns", label: "Side by side" }, { value: "stacked", label: "On one text" }] });
      const labels = session.overview.schema.label_sets.length > 0;
      this.sides = el("div", {}, this.drawSides(answer));
      const run = answer.runs[0];
      return [el("button", { type: "button", class: "fl-rs-back", text: "‹ Disputed items", onclick: () => this.back() }),
        el("div", { class: "fl-rs-line" }, el("h3", { tabindex: "-1", text: `Item ${answer.place ?? this.rows[at]?.place}` }), el("span", { class: "fl-rs-soft", text: at >= 0 ? `${format.count(at + 1)} of ${format.count(this.rows.length)}` : "" }), el("span", { class: "fl-rs-grow" }), labels ? switcher.root : null, step(-1), step(1)),
        run.prompt ? el("p", { class: "fl-rs-prompt" }, el("span", { class: "fl-rs-label", text: "Prompt" }), words(run.prompt)) : null, this.sides,
        answer.final ? this.settled(answer.final) : null, session.judge ? this.judgement(answer) : hint(session.why || "Only the owner and adjudicators settle items.")];
    }

    drawSides(answer) {
      const { schema } = this.session.overview;
      const marked = (run, at, sides) => new Forklore.MarkedText({ schema, run, at, sides }).root;
      const texts = (sides) => answer.runs.map((run, at) => el("div", { class: "fl-rs-card" }, answer.runs.length > 1 ? el("p", { class: "fl-rs-soft", text: `Text ${at + 1}` }) : null, marked(run, at, sides)));
      if (this.stacked && schema.label_sets.length) {
        return [...texts(answer.sides.map(({ by, state }) => ({ by, labels: state.labels }))), this.answers(answer)];
      }
      // where nothing is marked in the text, it is the same for every side
      if (!schema.label_sets.length) return [...texts([{ by: "", labels: [] }]), this.answers(answer)];
      return [el("div", { class: "fl-rs-sides" }, answer.sides.map((side) => el("section", { class: "fl-rs-side", "aria-label": `Side ${side.by}` }, el("h4", { text: `Side ${side.by}` }), texts([{ by: "", labels: side.state.labels }]), this.sideList(side))))];
    }

    sideList(side) {
      const { schema } = this.session.overview;
      const rows = schema.questions.map((question) => [question.title, answerText(question, side.state.answers[question.name]) || "no answer"]);
      const said = side.state.comment ? [["Comment", side.state.comment]] : [];
      return el("dl", { class: "fl-rs-list" }, [...rows, ...said].flatMap(([name, value]) => [el("dt", {}, words(name)), el("dd", {}, words(value))]));
    }

    /** Answers of all sides in one table: what differs stands out. */
    answers(answer) {
      const { schema } = this.session.overview;
      const rows = schema.questions.map((question) => {
        const given = answer.sides.map(({ state }) => answerText(question, state.answers[question.name]) || "no answer");
        const differs = new Set(given).size > 1;
        return el("tr", { class: differs ? "fl-rs-differs" : "" }, el("th", { scope: "row" }, words(question.title), differs ? el("span", { class: "fl-rs-soft", text: " differs" }) : null), given.map((text) => el("td", {}, words(text))));
      });
      const comments = answer.sides.some(({ state }) => state.comment) ? [el("tr", {}, el("th", { scope: "row", text: "Comment" }), answer.sides.map(({ state }) => el("td", {}, words(state.comment || ""))))] : [];
      return el("div", { class: "fl-rs-scroll", tabindex: "0", role: "region", "aria-label": "Answers of the sides" }, el("table", {}, el("thead", {}, el("tr", {}, el("th", { scope: "col", text: "Question" }), answer.sides.map((side) => el("th", { scope: "col", text: `Side ${side.by}` })))), el("tbody", {}, [...rows, ...comments])));
    }

    settled(final) {
      const { schema } = this.session.overview;
      const given = [...final.state.labels.map((one) => titleOf(schema, one.set, one.label)), ...schema.questions.map((question) => { const text = answerText(question, final.state.answers[question.name]); return text ? `${question.title}: ${text}` : ""; })].filter(Boolean);
      return el("div", { class: "fl-rs-note" }, el("b", { text: "Settled. " }), words(given.join("; ") || "no label, no answer"), final.reason ? [" Reason: ", words(final.reason)] : null, el("span", { class: "fl-rs-soft", text: [final.confidence ? ` confidence ${final.confidence} of 5` : "", final.at ? `, ${format.date(final.at)}` : ""].join("") }), " Settling it again adds a newer decision.");
    }

    // ---------------------------------------------------------------- the final judgement

    judgement(answer) {
      const { overview } = this.session;
      this.reason = el("textarea", { class: "fl-rs-input", rows: 2, maxlength: 5000 });
      this.confidence = "";
      const sure = select(SURE, "", (value) => { this.confidence = value; });
      const writing = new Forklore.Judgement({ schema: overview.schema, runs: answer.runs, state: answer.final?.state || agreed(answer.sides, overview.schema) });
      const from = answer.sides.map((side) => dom.button(`Begin from ${side.by}`, () => { writing.answers = { ...side.state.answers }; writing.setLabels(side.state.labels.map((one) => ({ ...one }))); writing.drawQuestions(); }, { class: "fl-button fl-rs-small" }));
      const save = primary("Save this as final", (event) => {
        if (writing.missing.length) return this.session.say(`Still to answer: ${writing.missing.join(", ")}.`, true);
        this.save("written", writing.value, event.currentTarget);
      });
      return el("section", { class: "fl-rs-decide" }, el("h3", { text: "Decide" }), el("div", { class: "fl-rs-add" }, field("Reason", this.reason, "Kept with the decision, whichever way it is made."), field("Confidence", sure, "How sure you are of it.")),
        el("div", { class: "fl-rs-line fl-rs-accept" }, answer.sides.map((side) => dom.button(`Accept ${side.by}`, (event) => this.save(side.by, null, event.currentTarget)))),
        el("details", {}, el("summary", { text: "Or write the final judgement" }), el("div", { class: "fl-rs-line" }, from, hint("It begins with what all sides agree on.")), this.picks(answer, writing), writing.root, el("div", { class: "fl-rs-line" }, save)));
    }

    /** What the sides say, each to be taken with one click. */
    picks(answer, writing) {
      const { schema } = this.session.overview;
      const found = new Map();
      for (const side of answer.sides) for (const one of side.state.labels) {
        const key = [one.set, one.label, one.run || 0, one.start, one.stop].join(" ");
        if (!found.has(key)) found.set(key, { one, by: [] });
        found.get(key).by.push(side.by);
      }
      const labels = [...found.values()].map(({ one, by }) => dom.button("", () => writing.give(one.set, one.label, one.run || 0, one.start, one.stop), { class: "fl-rs-chip", "aria-label": `Take the label ${titleOf(schema, one.set, one.label)} of ${by.join(" and ")}` }));
      [...found.values()].forEach(({ one, by }, i) => {
        const quote = answer.runs[one.run || 0].tokens.slice(one.start, one.stop).map((token) => token.t).join("").trim();
        labels[i].append(el("b", { text: by.join(", ") }), el("span", { class: `fl-rs-hue ${labelClass(schema, one.set, one.label)}` }, words(titleOf(schema, one.set, one.label))), el("span", {}, "“", words(quote.length > 30 ? `${quote.slice(0, 29)}…` : quote), "”"));
      });
      return labels.length ? el("div", { class: "fl-rs-chips", role: "group", "aria-label": "Labels of the sides" }, el("span", { class: "fl-rs-soft", text: "Take:" }), labels) : null;
    }

    async save(source, state, button) {
      const { session, item } = this;
      const answer = await deed(button, () => session.call("adjudicate", session.uid, item, state, this.reason?.value.trim() || "", this.confidence ? Number(this.confidence) : null, source, session.page.link), session.say);
      if (!answer) return;
      for (const row of this.rows) if (row.item === item) row.final = true;
      const next = this.next();
      session.say(next ? "Settled. Here is the next one." : "Settled. Nothing is left to settle.");
      if (next) this.open(next);
      else this.back();
      session.refresh().then(() => { this.drawn = session.overview; }, () => {});
    }
  }

  /** What every side has in common, to begin a final judgement with. */
  function agreed(sides, schema) {
    if (!sides.length) return { labels: [], answers: {} };
    const [first, ...rest] = sides.map((side) => side.state);
    const same = (a, b) => ["set", "label", "start", "stop"].every((name) => a[name] === b[name]) && (a.run || 0) === (b.run || 0);
    const labels = first.labels.filter((one) => rest.every((state) => state.labels.some((other) => same(one, other))));
    const kept = schema.questions.filter(({ name }) => first.answers[name] !== undefined && rest.every((state) => JSON.stringify(state.answers[name]) === JSON.stringify(first.answers[name])));
    return { labels, answers: Object.fromEntries(kept.map(({ name }) => [name, first.answers[name]])) };
  }

  Forklore.SessionDisputes = SessionDisputes;
})();
